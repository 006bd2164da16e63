//! `dacapo module delete`

use anyhow::{Result, bail};
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

    /// Take it for done if there is no such module or version.
    #[arg(long)]
    ignore_not_found: bool,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: DeleteArgs) -> Result<Exit> {
    let answer = args.client.client()?.delete_module(args.name.as_str(), args.version).await?;
    let deleted = answer.read::<ModuleDeleted>()?.deleted;
    if args.client.is_json() {
        output::line(&answer.text)?;
    }
    if deleted.is_empty() && !args.ignore_not_found {
        bail!(not_found(&args.name, args.version));
    }
    if args.client.is_json() {
        return Ok(Exit::Success);
    }
    let versions: Vec<_> = deleted.iter().map(u32::to_string).collect();
    let text = match versions.as_slice() {
        [] => format!("there was nothing to delete of {}", args.name),
        [version] => format!("version {version} of {} is deleted", args.name),
        versions => format!("versions {} of {} are deleted", versions.join(", "), args.name),
    };
    output::note(&text);
    Ok(Exit::Success)
}

/// Nothing was changed. A repeat of a deletion whose answer was lost ends so, too.
fn not_found(name: &ModuleName, version: Option<u32>) -> String {
    match version {
        Some(version) => format!(
            "version {version} of module `{name}` was not found, nothing was deleted; \
             `dacapo module show {name}` lists its versions"
        ),
        None => format!(
            "module `{name}` was not found, nothing was deleted; `dacapo module list` lists what \
             is there"
        ),
    }
}
