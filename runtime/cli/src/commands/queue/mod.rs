//! `dacapo queue ...`

mod list;
mod show;

use anyhow::Result;

use crate::exit::Exit;

/// Looks at task queues: what waits in them, who polls them, and who has what.
#[derive(Debug, clap::Subcommand)]
pub enum QueueCommand {
    /// List the queues in which tasks wait, or which workers poll.
    List(list::ListArgs),
    /// Show what waits in a queue, its workers and what they have in hand.
    Show(show::ShowArgs),
}

pub(super) async fn run(command: QueueCommand) -> Result<Exit> {
    match command {
        QueueCommand::List(args) => list::run(args).await,
        QueueCommand::Show(args) => show::run(args).await,
    }
}
