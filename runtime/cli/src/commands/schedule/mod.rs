//! `dacapo schedule ...`: runs that are started at certain times.

mod act;
mod create;
mod definition;
mod list;
mod show;
mod times;

use anyhow::Result;
use dacapo_model::ids::ScheduleId;

use crate::exit::Exit;

/// Starts runs at certain times: crons, calendars and intervals.
#[derive(Debug, clap::Subcommand)]
pub enum ScheduleCommand {
    /// Make a schedule.
    Create(Box<create::CreateArgs>),
    /// List schedules.
    List(list::ListArgs),
    /// Show what a schedule does, when it is due, and how its last runs ended.
    Show(show::ShowArgs),
    /// Give a schedule another definition.
    Update(Box<create::UpdateArgs>),
    /// Let a schedule start nothing by itself.
    Pause(act::PauseArgs),
    /// Let a paused schedule go on.
    Resume(act::PauseArgs),
    /// Start the run of a schedule now.
    Trigger(act::TriggerArgs),
    /// Start the runs of a stretch of time now.
    Backfill(act::BackfillArgs),
    /// List the times of a schedule.
    Times(times::TimesArgs),
    /// Delete a schedule; runs that it started go on.
    Delete(act::DeleteArgs),
}

/// Which schedule.
#[derive(Debug, Clone, clap::Args)]
struct ScheduleFlags {
    /// The schedule id.
    #[arg(value_name = "SCHEDULE_ID")]
    schedule_id: ScheduleId,
}

/// How a schedule is, in one word. One that is blocked starts nothing, paused or not.
fn state(is_blocked: bool, is_paused: bool) -> &'static str {
    match (is_blocked, is_paused) {
        (true, _) => "blocked",
        (false, true) => "paused",
        (false, false) => "active",
    }
}

pub(super) async fn run(command: ScheduleCommand) -> Result<Exit> {
    match command {
        ScheduleCommand::Create(args) => create::create(*args).await,
        ScheduleCommand::List(args) => list::run(args).await,
        ScheduleCommand::Show(args) => show::run(args).await,
        ScheduleCommand::Update(args) => create::update(*args).await,
        ScheduleCommand::Pause(args) => act::pause(args, "pause", "is paused").await,
        ScheduleCommand::Resume(args) => act::pause(args, "resume", "goes on").await,
        ScheduleCommand::Trigger(args) => act::trigger(args).await,
        ScheduleCommand::Backfill(args) => act::backfill(args).await,
        ScheduleCommand::Times(args) => times::run(args).await,
        ScheduleCommand::Delete(args) => act::delete(args).await,
    }
}
