//! Schedules: what they are told to do, and how they are. What is serialised here is
//! recorded in histories.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dacapo_model::attributes::RunAttributes;
use dacapo_model::execution::IdReusePolicy;
use dacapo_model::ids::{ModuleName, RequestId, RunId, ScheduleId, TypeName, WorkflowId};
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryPolicy;
use dacapo_model::time::{Timestamp, duration_micros, optional_duration_micros};
use dacapo_schedule::ScheduleSpec;
use serde::{Deserialize, Serialize};

/// What happens if a schedule is due while a run that it started is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlapPolicy {
    /// Nothing: the time is skipped.
    #[default]
    Skip,
    /// The action waits for the end of that run. One at most waits.
    BufferOne,
    /// The same, for any number of them up to a bound.
    BufferAll,
    /// That run is asked to cancel, and the action waits for its end.
    CancelOther,
    /// That run is terminated, and the action waits for its end.
    TerminateOther,
    /// The action is taken at once.
    AllowAll,
}

/// What a schedule does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleDefinition {
    /// When.
    pub spec: ScheduleSpec,
    /// What.
    pub action: ScheduleAction,
    /// How.
    pub policies: SchedulePolicies,
}

/// A run to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleAction {
    /// What it runs.
    pub workflow_type: TypeName,
    /// The workflow id, in which `{id}` stands for the id of the schedule and `{time}` for
    /// the time that it was due.
    pub workflow_id: String,
    /// The module that defines the type, where several do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<ModuleName>,
    /// Its argument.
    pub input: Payload,
    /// If the latest run of the workflow id is closed.
    #[serde(default)]
    pub reuse_policy: IdReusePolicy,
    /// How long each run may take.
    #[serde(
        default,
        rename = "run_timeout_micros",
        with = "optional_duration_micros",
        skip_serializing_if = "Option::is_none"
    )]
    pub run_timeout: Option<Duration>,
    /// How long the run and those that follow it may take together.
    #[serde(
        default,
        rename = "execution_timeout_micros",
        with = "optional_duration_micros",
        skip_serializing_if = "Option::is_none"
    )]
    pub execution_timeout: Option<Duration>,
    /// Whether another run follows if one fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// What is said about it.
    #[serde(default, skip_serializing_if = "RunAttributes::is_empty")]
    pub attributes: RunAttributes,
    /// The search attributes whose type was inferred, as of a run. What is recorded has types.
    #[serde(skip)]
    pub inferred: BTreeSet<String>,
}

/// How a schedule acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulePolicies {
    /// If a run that it started is open.
    #[serde(default)]
    pub overlap: OverlapPolicy,
    /// A time that is longer ago than this when the schedule comes to it is missed.
    #[serde(rename = "catchup_window_micros", with = "duration_micros")]
    pub catchup_window: Duration,
    /// It is paused when a run that it started fails or runs out of its time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pause_on_failure: bool,
}

/// How a run that a schedule started is, or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionStatus {
    /// It is open, or about to start.
    Running,
    /// It could not be started.
    StartFailed,
    /// It ended with a result.
    Completed,
    /// It ended with a failure.
    Failed,
    /// It ended because it was asked to.
    Canceled,
    /// It was ended from outside.
    Terminated,
    /// It ran out of its time.
    TimedOut,
}

/// Why an action failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionFailure {
    /// The type of the failure.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What happened.
    pub message: String,
}

/// One action that a schedule took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduledAction {
    /// Counts the actions of the schedule, from 1.
    pub number: u64,
    /// When it was due.
    pub scheduled_time: Timestamp,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// Somebody triggered it, or filled it in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub manual: bool,
    /// The run's workflow id.
    pub workflow_id: WorkflowId,
    /// The first run; none before it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// How it is.
    pub status: ActionStatus,
    /// When its end became known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What it failed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ActionFailure>,
}

/// An action that waits for the end of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferedAction {
    /// When it was due.
    pub scheduled_time: Timestamp,
    /// What it does if another is open.
    pub overlap: OverlapPolicy,
    /// Somebody triggered it, or filled it in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub manual: bool,
}

/// What a schedule has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleCounters {
    /// Runs that it started.
    pub actions: u64,
    /// Times that it came to after the catch-up window.
    pub missed: u64,
    /// Times that the overlap policy has skipped.
    pub skipped: u64,
    /// Times for which the buffer had no room.
    pub buffer_dropped: u64,
    /// Runs that could not be started.
    pub start_failures: u64,
}

/// How a schedule is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleStatus {
    /// It takes no action by itself.
    pub paused: bool,
    /// Why, or whatever else somebody had to say.
    pub note: String,
    /// How many actions it may still take by itself; none means any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_actions: Option<u64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// What it has done so far.
    pub counters: ScheduleCounters,
    /// Open runs that it started; the first of them.
    pub running: Vec<ScheduledAction>,
    /// How many there are.
    pub running_count: usize,
    /// Actions that wait; the first of them.
    pub buffered: Vec<BufferedAction>,
    /// How many there are.
    pub buffered_count: usize,
    /// The last actions, the newest first.
    pub recent_actions: Vec<ScheduledAction>,
    /// The time up to which it has acted.
    pub acted_until: Timestamp,
}

/// A schedule to make.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateScheduleRequest {
    /// The caller's name for it.
    pub schedule_id: ScheduleId,
    /// By which a repeat of this request is recognised.
    pub request_id: Option<RequestId>,
    /// What it does.
    pub definition: ScheduleDefinition,
    /// Environment variables of the runs that it starts.
    pub environment: BTreeMap<String, String>,
    /// Command-line arguments of the runs that it starts.
    pub arguments: Vec<String>,
    /// It takes no action by itself until it is resumed.
    pub paused: bool,
    /// For people.
    pub note: String,
    /// How many actions it may take by itself; none means any number.
    pub remaining_actions: Option<u64>,
}

/// One schedule of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleSummary {
    /// The caller's name for it.
    pub schedule_id: ScheduleId,
    /// What it starts.
    pub workflow_type: TypeName,
    /// It takes no action by itself.
    pub paused: bool,
    /// For people.
    pub note: String,
    /// Its code can't go on.
    pub blocked: bool,
}

/// Everything that is known of a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleDescription {
    /// The caller's name for it.
    pub schedule_id: ScheduleId,
    /// What it does.
    pub definition: ScheduleDefinition,
    /// Environment variables of the runs that it starts.
    pub environment: BTreeMap<String, String>,
    /// Command-line arguments of the runs that it starts.
    pub arguments: Vec<String>,
    /// How it is.
    pub status: ScheduleStatus,
    /// The next times, with jitter; none while it is paused, and once it may take no more
    /// actions.
    pub next_times: Vec<dacapo_schedule::Due>,
    /// The run that stands for it.
    pub run_id: RunId,
    /// Why its code can't go on, if it can't.
    pub blocked: Option<dacapo_model::execution::Blocked>,
}
