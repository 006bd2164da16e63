//! `dacapo activity ...`: activities without a workflow.

mod act;
mod list;
mod options;
mod result;
mod show;
mod start;

use anyhow::Result;
use dacapo_model::ids::{ActivityId, RunId};

use crate::client::ActivityAddress;
use crate::exit::Exit;

/// Starts, watches, lists and stops activities without a workflow: durable jobs on a task
/// queue.
#[derive(Debug, clap::Subcommand)]
pub enum ActivityCommand {
    /// Start an activity.
    Start(Box<start::StartArgs>),
    /// List activities, the newest first.
    List(list::ListArgs),
    /// Show where an activity stands, and how it ended.
    Show(show::ShowArgs),
    /// Print the result of an activity.
    Result(result::ResultArgs),
    /// Ask an activity to end; its worker may clean up first.
    Cancel(act::CancelArgs),
    /// End an activity at once, without asking its worker.
    Terminate(act::TerminateArgs),
}

/// Which activity.
#[derive(Debug, Clone, clap::Args)]
struct ActivityFlags {
    /// The activity id.
    #[arg(value_name = "ACTIVITY_ID")]
    activity_id: ActivityId,

    /// A certain run of it, instead of the latest.
    #[arg(long, value_name = "RUN_ID")]
    run_id: Option<RunId>,
}

impl ActivityFlags {
    /// As the client names it.
    fn address(&self) -> ActivityAddress {
        ActivityAddress {
            activity_id: self.activity_id.as_str().to_owned(),
            run_id: self.run_id.map(|run_id| run_id.to_string()),
        }
    }
}

pub(super) async fn run(command: ActivityCommand) -> Result<Exit> {
    match command {
        ActivityCommand::Start(args) => start::run(*args).await,
        ActivityCommand::List(args) => list::run(args).await,
        ActivityCommand::Show(args) => show::run(args).await,
        ActivityCommand::Result(args) => result::run(args).await,
        ActivityCommand::Cancel(args) => act::cancel(args).await,
        ActivityCommand::Terminate(args) => act::terminate(args).await,
    }
}
