//! W10: steps that workers do. As many runs as W1 has, a backlog without workers that is
//! drained then, or polls that wait.

mod backlog;
mod polls;
mod steps;

use anyhow::Result;
use serde::Serialize;

pub(super) use self::backlog::fill;
use super::w1_sequential::Sequential;
use crate::workers::WorkerFlags;

/// Steps that workers do, with workers that this program starts.
#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct Remote {
    /// Instead of runs of steps: put so many tasks into the queue while there is no worker,
    /// and drain it then.
    #[arg(long, value_name = "COUNT", conflicts_with = "polls")]
    backlog: Option<u64>,
    /// With --backlog: tasks that a run waits for at once.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    tasks_per_run: u64,
    /// Instead of runs of steps: so many polls that wait for nothing.
    #[arg(long, value_name = "COUNT")]
    polls: Option<u64>,
    /// With --polls: time for which the database is watched while they wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    idle_secs: f64,
    #[command(flatten)]
    #[serde(flatten)]
    workers: WorkerFlags,
    #[command(flatten)]
    #[serde(flatten)]
    sequential: Sequential,
}

pub(crate) async fn run(args: Remote) -> Result<()> {
    match (args.backlog, args.polls) {
        (Some(tasks), _) => backlog::run(&args, tasks).await,
        (None, Some(polls)) => polls::run(&args, polls).await,
        (None, None) => steps::run(&args).await,
    }
}
