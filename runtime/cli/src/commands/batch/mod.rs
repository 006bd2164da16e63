//! `dacapo batch ...`: operations on all runs that a filter matches.

mod control;
mod list;
mod show;
mod start;

use anyhow::Result;

use crate::exit::Exit;

/// Does something with all runs that a filter matches, and watches how far that is.
#[derive(Debug, clap::Subcommand)]
pub enum BatchCommand {
    /// Start an operation on many runs.
    Start(Box<start::StartArgs>),
    /// List batches, the newest first.
    List(list::ListArgs),
    /// Show how far a batch has come, and which runs refused.
    Show(show::ShowArgs),
    /// Begin nothing more until it is resumed.
    Pause(control::PauseArgs),
    /// Go on after a pause.
    Resume(control::ResumeArgs),
    /// End a batch; what it has done stays done.
    Stop(control::StopArgs),
}

pub(super) async fn run(command: BatchCommand) -> Result<Exit> {
    match command {
        BatchCommand::Start(args) => start::run(*args).await,
        BatchCommand::List(args) => list::run(args).await,
        BatchCommand::Show(args) => show::run(args).await,
        BatchCommand::Pause(args) => control::pause(args).await,
        BatchCommand::Resume(args) => control::resume(args).await,
        BatchCommand::Stop(args) => control::stop(args).await,
    }
}
