//! `dacapo module show`

use anyhow::Result;
use dacapo_model::ids::ModuleName;

use crate::args::ClientFlags;
use crate::client::wire::ModuleVersions;
use crate::exit::Exit;
use crate::output;

/// Lists all versions of a module, oldest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo module show checkout")]
pub struct ShowArgs {
    /// Name of the module.
    #[arg(value_name = "NAME")]
    name: ModuleName,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ShowArgs) -> Result<Exit> {
    let answer = args.client.client()?.show_module(args.name.as_str()).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
    } else {
        output::line(&super::table(&answer.read::<ModuleVersions>()?.versions))?;
    }
    Ok(Exit::Success)
}
