//! `dacapo run delete`

use anyhow::{Result, bail};

use crate::args::{ClientFlags, RunFlags};
use crate::client::wire::{RunDeleted, RunDescription};
use crate::client::{Client, ClientError, RunAddress};
use crate::exit::Exit;
use crate::output;

/// Deletes a run that has closed, with its history. The latest of the workflow id,
/// unless another is named.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo run delete order-17
  dacapo run delete order-17 --run-id RUN_ID")]
pub struct DeleteArgs {
    #[command(flatten)]
    run: RunFlags,

    /// Take it for done if there is no such run.
    #[arg(long)]
    ignore_not_found: bool,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: DeleteArgs) -> Result<Exit> {
    let client = args.client.client()?;
    let Some(run) = resolve(&client, args.run.address(), args.ignore_not_found).await? else {
        return Ok(Exit::Success);
    };
    let answer = client.delete_run(&run).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
    }
    let run_id = run.run_id.unwrap_or_default();
    let named = output::printable(&format!("{} (run {run_id})", run.workflow_id));
    match answer.read::<RunDeleted>()?.deleted {
        false if !args.ignore_not_found => {
            bail!(
                "{named} was not found, nothing was deleted; `dacapo run list` lists what is there"
            )
        }
        _ if args.client.is_json() => {}
        true => output::note(&format!("{named} is deleted")),
        false => output::note(&format!("{named} was not there")),
    }
    Ok(Exit::Success)
}

/// The run with its id. None if there is none of that workflow id, and nobody minds.
async fn resolve(client: &Client, run: RunAddress, ignore: bool) -> Result<Option<RunAddress>> {
    if run.run_id.is_some() {
        return Ok(Some(run));
    }
    match client.show_run(&run).await {
        Ok(answer) => {
            let run_id = Some(answer.read::<RunDescription>()?.run.run_id);
            Ok(Some(RunAddress { run_id, ..run }))
        }
        Err(ClientError::Refused(refusal)) if ignore && refusal.code == "run_not_found" => {
            output::note(&output::printable(&format!("{} was not there", run.workflow_id)));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
