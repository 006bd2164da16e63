//! `dacapo module delete`

use anyhow::Result;
use dacapo_model::ids::ModuleName;

use crate::args::ClientFlags;
use crate::client::wire::ModuleDeleted;
use crate::exit::Exit;
use crate::output;

/// Deletes a module with all its versions, or one version that is not the newest.
/// Refused while an open run needs it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo module delete checkout --version 3
  dacapo module delete checkout")]
pub struct DeleteArgs {
    /// Name of the module.
    #[arg(value_name = "NAME")]
    name: ModuleName,

    /// Only this version.
    #[arg(long, value_name = "NUMBER")]
    version: Option<u32>,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: DeleteArgs) -> Result<Exit> {
    let answer = args.client.client()?.delete_module(args.name.as_str(), args.version).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let deleted = answer.read::<ModuleDeleted>()?.deleted;
    let versions: Vec<_> = deleted.iter().map(u32::to_string).collect();
    let text = match versions.as_slice() {
        [] => format!("there was nothing to delete of {}", args.name),
        [version] => format!("version {version} of {} is deleted", args.name),
        versions => format!("versions {} of {} are deleted", versions.join(", "), args.name),
    };
    output::note(&text);
    Ok(Exit::Success)
}
