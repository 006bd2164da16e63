//! `dacapo namespace delete`

use anyhow::Result;
use dacapo_model::ids::NamespaceName;

use crate::args::ClientFlags;
use crate::exit::{Exit, UsageError};
use crate::output;

/// Deletes a namespace with all that is in it, for good: open runs are terminated, and no run,
/// history or module is kept.
///
/// From then on nothing can be asked for in it. The server does the rest in the background, also
/// if it is restarted; `dacapo namespace show` finds the namespace until that has ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo namespace delete shop --confirm shop")]
pub struct DeleteArgs {
    /// Its name.
    #[arg(value_name = "NAME")]
    name: NamespaceName,

    /// Its name once more: that it is meant.
    #[arg(long, value_name = "NAME")]
    confirm: String,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: DeleteArgs) -> Result<Exit> {
    let name = args.name.as_str();
    if args.confirm != name {
        return Err(UsageError(format!(
            "`--confirm {}` is not the name `{name}`; nothing was deleted",
            output::printable(&args.confirm)
        ))
        .into());
    }
    let answer = args.client.client()?.delete_namespace(name, &args.confirm).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
    } else {
        output::note(&format!(
            "`{name}` is being deleted; `dacapo namespace show {name}` says whether it is gone"
        ));
    }
    Ok(Exit::Success)
}
