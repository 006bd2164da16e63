//! `dacapo queue ...`

mod drain;
mod list;
mod set;
mod show;

use anyhow::Result;

use crate::exit::Exit;

/// Looks at task queues: what waits in them, who polls them, and who has what. Sets how much
/// of them is handed out.
#[derive(Debug, clap::Subcommand)]
pub enum QueueCommand {
    /// List the queues in which tasks wait, or which workers poll.
    List(list::ListArgs),
    /// Show what waits in a queue, its workers and what they have in hand.
    Show(show::ShowArgs),
    /// Set how many tasks of a queue are in hand at a time, and how fast they are handed out.
    Set(set::SetArgs),
    /// Hand out no more tasks of a queue.
    Drain(drain::DrainArgs),
    /// Hand out the tasks of a drained queue again.
    Resume(drain::ResumeArgs),
}

pub(super) async fn run(command: QueueCommand) -> Result<Exit> {
    match command {
        QueueCommand::List(args) => list::run(args).await,
        QueueCommand::Show(args) => show::run(args).await,
        QueueCommand::Set(args) => set::run(args).await,
        QueueCommand::Drain(args) => drain::drain(args).await,
        QueueCommand::Resume(args) => drain::resume(args).await,
    }
}
