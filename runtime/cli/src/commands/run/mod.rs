//! `dacapo run ...`

mod act;
mod activity;
mod awaited;
mod count;
mod delete;
pub(crate) mod event_line;
mod frames;
pub(super) mod held_up;
pub(super) mod history;
pub(super) mod input;
pub(super) mod list;
mod move_run;
pub(super) mod options;
mod query;
mod report;
mod reset;
mod result;
pub(super) mod show;
mod signal;
mod signals_left;
pub(super) mod start;
mod update;
pub(super) mod wait;
mod waiting;

use anyhow::Result;

pub(super) use self::act::given;
pub(crate) use self::report::report_fields;
pub(super) use self::wait::{Wait, parse_wait};
use crate::exit::Exit;

/// Starts, watches, lists, signals and stops runs.
#[derive(Debug, clap::Subcommand)]
pub enum RunCommand {
    /// Start a run of a workflow.
    Start(Box<start::StartArgs>),
    /// List runs, the newest first.
    List(list::ListArgs),
    /// Count runs, on request by status, type, module or day.
    Count(count::CountArgs),
    /// Show where a run stands, what it waits for and how it ended.
    Show(show::ShowArgs),
    /// Print the result of a run.
    Result(result::ResultArgs),
    /// Print the events of a run.
    History(history::HistoryArgs),
    /// Send a run a signal.
    Signal(signal::SignalArgs),
    /// Pause, reset or complete an activity of a run.
    #[command(subcommand)]
    Activity(activity::ActivityCommand),
    /// Ask a run what it knows, and print the answer.
    Query(query::QueryArgs),
    /// Send a run an update, and print what comes of it.
    Update(update::UpdateArgs),
    /// Show what a run waits for, and where in its code.
    Waiting(waiting::WaitingArgs),
    /// Ask a run to end; it may clean up first.
    Cancel(act::CancelArgs),
    /// End a run at once, without asking its code.
    Terminate(act::TerminateArgs),
    /// Add and remove tags of a run.
    Tag(act::TagArgs),
    /// Let a blocked run try again.
    Retry(act::RetryArgs),
    /// Move a run to another version of its code, if that fits its history.
    Move(move_run::MoveArgs),
    /// Start a run over from a point of its history.
    Reset(reset::ResetArgs),
    /// Delete a run that has closed, with its history.
    Delete(delete::DeleteArgs),
}

pub(super) async fn run(command: RunCommand) -> Result<Exit> {
    match command {
        RunCommand::Start(args) => start::run(*args).await,
        RunCommand::List(args) => list::run(args).await,
        RunCommand::Count(args) => count::run(args).await,
        RunCommand::Show(args) => show::run(args).await,
        RunCommand::Result(args) => result::run(args).await,
        RunCommand::History(args) => history::run(args).await,
        RunCommand::Signal(args) => signal::run(args).await,
        RunCommand::Activity(command) => activity::run(command).await,
        RunCommand::Query(args) => query::run(args).await,
        RunCommand::Update(args) => update::run(args).await,
        RunCommand::Waiting(args) => waiting::run(args).await,
        RunCommand::Cancel(args) => act::cancel(args).await,
        RunCommand::Terminate(args) => act::terminate(args).await,
        RunCommand::Tag(args) => act::tag(args).await,
        RunCommand::Retry(args) => act::retry(args).await,
        RunCommand::Move(args) => move_run::run(args).await,
        RunCommand::Reset(args) => reset::run(args).await,
        RunCommand::Delete(args) => delete::run(args).await,
    }
}
