//! `dacapo module list`

use anyhow::Result;

use crate::args::ClientFlags;
use crate::client::wire::Modules;
use crate::exit::Exit;
use crate::output;

/// Lists the newest version of each module.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo module list --output json")]
pub struct ListArgs {
    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ListArgs) -> Result<Exit> {
    let answer = args.client.client()?.list_modules().await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
    } else {
        output::line(&super::table(&answer.read::<Modules>()?.modules))?;
    }
    Ok(Exit::Success)
}
