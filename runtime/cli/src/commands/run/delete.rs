//! `dacapo run delete`

use anyhow::Result;

use crate::args::{ClientFlags, RunFlags};
use crate::client::RunAddress;
use crate::client::wire::{RunDeleted, RunDescription};
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

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: DeleteArgs) -> Result<Exit> {
    let client = args.client.client()?;
    let RunAddress { workflow_id, run_id } = args.run.address();
    let run_id = match run_id {
        Some(run_id) => run_id,
        None => {
            let latest = RunAddress { workflow_id: workflow_id.clone(), run_id: None };
            client.show_run(&latest).await?.read::<RunDescription>()?.run.run_id
        }
    };
    let run = RunAddress { workflow_id, run_id: Some(run_id.clone()) };
    let answer = client.delete_run(&run).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let deleted = answer.read::<RunDeleted>()?.deleted;
    let done = if deleted { "is deleted" } else { "was not there" };
    output::note(&output::printable(&format!("{} (run {run_id}) {done}", run.workflow_id)));
    Ok(Exit::Success)
}
