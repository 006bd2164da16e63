//! Schedules.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Blocked;

/// A schedule in a list.
#[derive(Debug, Deserialize)]
pub struct ScheduleSummary {
    /// The caller's name for it.
    pub schedule_id: String,
    /// What it starts.
    pub workflow_type: String,
    /// Whether it takes no action by itself.
    pub paused: bool,
    /// For people.
    #[serde(default)]
    pub note: String,
    /// Whether the server can't go on with it.
    pub blocked: bool,
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub struct SchedulePage {
    /// The schedules.
    pub schedules: Vec<ScheduleSummary>,
    /// Where the next page begins.
    #[serde(default)]
    pub next_page_token: Option<String>,
}

/// What is known of a schedule.
#[derive(Debug, Deserialize)]
pub struct ScheduleDescription {
    /// The caller's name for it.
    pub schedule_id: String,
    /// When.
    pub spec: Box<RawValue>,
    /// What.
    pub action: ScheduleAction,
    /// How.
    pub policies: SchedulePolicies,
    /// Whether it takes no action by itself.
    pub paused: bool,
    /// For people.
    pub note: String,
    /// How many actions it may still take.
    #[serde(default)]
    pub remaining_actions: Option<u64>,
    /// When it was made.
    pub created_at: String,
    /// When it is due.
    pub next_times: Vec<ScheduleTime>,
    /// What it has done so far.
    pub counters: ScheduleCounters,
    /// Open runs.
    pub running_count: usize,
    /// Actions that wait.
    pub buffered_count: usize,
    /// The last actions.
    pub recent_actions: Vec<ScheduledAction>,
    /// Why the server can't go on with it.
    #[serde(default)]
    pub blocked: Option<Blocked>,
}

/// What a schedule starts.
#[derive(Debug, Deserialize)]
pub struct ScheduleAction {
    /// The workflow type.
    pub workflow: String,
    /// The template of workflow ids.
    pub workflow_id: String,
}

/// How a schedule acts.
#[derive(Debug, Deserialize)]
pub struct SchedulePolicies {
    /// If a run is open.
    pub overlap: String,
}

/// What a schedule has done so far.
#[derive(Debug, Deserialize)]
pub struct ScheduleCounters {
    /// Runs that it started.
    pub actions: u64,
    /// Times that were too long ago.
    pub missed: u64,
    /// Times that were skipped.
    pub skipped: u64,
    /// Times for which there was no room.
    pub buffer_dropped: u64,
    /// Runs that could not be started.
    pub start_failures: u64,
}

/// One action.
#[derive(Debug, Deserialize)]
pub struct ScheduledAction {
    /// When it was due.
    pub scheduled_time: String,
    /// Whether somebody asked for it.
    pub manual: bool,
    /// The run.
    pub workflow_id: String,
    /// How it is.
    pub status: String,
    /// What it failed with.
    #[serde(default)]
    pub failure: Option<ActionFailure>,
}

/// Why an action failed.
#[derive(Debug, Deserialize)]
pub struct ActionFailure {
    /// The type of the failure.
    pub r#type: String,
    /// What happened.
    pub message: String,
}

/// A time of a schedule.
#[derive(Debug, Deserialize)]
pub struct ScheduleTime {
    /// When its action is taken.
    pub due_at: String,
}

/// Times of a schedule.
#[derive(Debug, Deserialize)]
pub struct ScheduleTimes {
    /// The times.
    pub times: Vec<ScheduleTime>,
}

/// What became of actions that were asked for.
#[derive(Debug, Deserialize)]
pub struct ActionsAsked {
    /// Those whose runs were started.
    pub started: u64,
    /// Those that wait.
    pub buffered: u64,
    /// Those that were skipped.
    pub skipped: u64,
    /// Those for which there was no room.
    pub dropped: u64,
    /// Those whose runs could not be started.
    #[serde(default)]
    pub failed: u64,
    /// Why the last of them could not.
    #[serde(default)]
    pub failure: Option<ActionFailure>,
    /// The workflow id of the last run that was started.
    #[serde(default)]
    pub workflow_id: Option<String>,
}
