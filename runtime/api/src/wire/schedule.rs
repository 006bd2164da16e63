//! What schedules are and have done.

use std::collections::{BTreeMap, BTreeSet};

use dacapo_model::ids::{ModuleName, RunId, ScheduleId, TypeName, WorkflowId};
use dacapo_model::retry::RetryPolicy;
use dacapo_model::tag::Tags;
use dacapo_model::time::Timestamp;
use dacapo_service::operations;
use serde::Serialize;
use utoipa::ToSchema;

use super::mirror::mirror;
use super::options::{SearchAttribute, show_memo, show_search_attributes};
use super::payload::{self, RawJson};
use super::request::IdReusePolicy;
use super::run::Blocked;
use super::schedule_spec::ScheduleSpec;

mirror! {
    /// What happens if a schedule is due while a run that it started is open.
    OverlapPolicy = operations::OverlapPolicy {
        /// The time is skipped.
        Skip,
        /// The action waits for the end of that run; one at most waits.
        BufferOne,
        /// The action waits, as do others, up to 1,000.
        BufferAll,
        /// That run is asked to cancel, and the action waits for its end.
        CancelOther,
        /// That run is terminated, and the action waits for its end.
        TerminateOther,
        /// The action is taken at once.
        AllowAll,
    }
}

mirror! {
    /// How a run that a schedule started is, or ended.
    ActionStatus = operations::ActionStatus {
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
}

/// A schedule that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleCreated {
    /// Its name.
    pub(crate) schedule_id: String,
    /// False if the same request has made it before.
    pub(crate) created: bool,
}

/// A schedule that was told something.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleChanged {
    /// Its name.
    #[schema(value_type = String)]
    pub(crate) schedule_id: ScheduleId,
}

/// What became of the actions that a request has asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActionsAsked {
    /// Those whose runs were started at once.
    started: u64,
    /// Those that wait for the end of a run.
    buffered: u64,
    /// Those that the overlap policy has skipped.
    skipped: u64,
    /// Those for which the buffer had no room.
    dropped: u64,
    /// Those whose runs could not be started.
    failed: u64,
    /// Why the last of them could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<ActionFailure>,
    /// The workflow id of the last run that was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<String>,
}

impl From<operations::ActionsAsked> for ActionsAsked {
    fn from(asked: operations::ActionsAsked) -> Self {
        Self {
            started: asked.started,
            buffered: asked.buffered,
            skipped: asked.skipped,
            dropped: asked.dropped,
            failed: asked.failed,
            failure: asked.failure.map(Into::into),
            workflow_id: asked.workflow_id,
        }
    }
}

/// One action that a schedule took.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduledAction {
    /// Counts the actions of the schedule, from 1.
    number: u64,
    /// When it was due.
    #[schema(value_type = String, format = DateTime)]
    scheduled_time: Timestamp,
    /// When it was taken.
    #[schema(value_type = String, format = DateTime)]
    taken_at: Timestamp,
    /// Whether it was triggered, or filled in.
    manual: bool,
    /// The run's workflow id.
    #[schema(value_type = String)]
    workflow_id: WorkflowId,
    /// The first run; absent before it has started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    run_id: Option<RunId>,
    /// How it is, or ended.
    status: ActionStatus,
    /// When its end became known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// What it failed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<ActionFailure>,
}

/// Why an action failed.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActionFailure {
    /// The type of the failure.
    r#type: String,
    /// What happened.
    message: String,
}

impl From<operations::ActionFailure> for ActionFailure {
    fn from(failure: operations::ActionFailure) -> Self {
        Self { r#type: failure.type_name, message: failure.message }
    }
}

impl From<operations::ScheduledAction> for ScheduledAction {
    fn from(action: operations::ScheduledAction) -> Self {
        Self {
            number: action.number,
            scheduled_time: action.scheduled_time,
            taken_at: action.taken_at,
            manual: action.manual,
            workflow_id: action.workflow_id,
            run_id: action.run_id,
            status: action.status.into(),
            ended_at: action.ended_at,
            failure: action.failure.map(Into::into),
        }
    }
}

/// An action that waits for the end of a run.
#[derive(Serialize, ToSchema)]
pub(crate) struct BufferedAction {
    /// When it was due.
    #[schema(value_type = String, format = DateTime)]
    scheduled_time: Timestamp,
    /// Its overlap policy.
    overlap: OverlapPolicy,
    /// Whether it was triggered, or filled in.
    manual: bool,
}

impl From<operations::BufferedAction> for BufferedAction {
    fn from(action: operations::BufferedAction) -> Self {
        let operations::BufferedAction { scheduled_time, overlap, manual } = action;
        Self { scheduled_time, overlap: overlap.into(), manual }
    }
}

/// What a schedule has done so far.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleCounters {
    /// Runs that it started.
    actions: u64,
    /// Times that it came to after the catch-up window.
    missed: u64,
    /// Times that the overlap policy has skipped.
    skipped: u64,
    /// Times for which the buffer had no room.
    buffer_dropped: u64,
    /// Runs that could not be started.
    start_failures: u64,
}

/// A time of a schedule.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleTime {
    /// As the specification says.
    #[schema(value_type = String, format = DateTime)]
    scheduled_time: Timestamp,
    /// With jitter: when the action is taken.
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
}

impl From<operations::Due> for ScheduleTime {
    fn from(due: operations::Due) -> Self {
        Self { scheduled_time: due.nominal, due_at: due.at }
    }
}

/// Times of a schedule, in order.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleTimes {
    /// The times.
    pub(crate) times: Vec<ScheduleTime>,
    /// Whether there are more.
    pub(crate) more: bool,
}

/// The run that a schedule starts.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleAction {
    /// The workflow type.
    #[schema(value_type = String)]
    workflow: TypeName,
    /// The workflow id, with `{id}` and `{time}`.
    workflow_id: String,
    /// The module that defines the workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    module: Option<ModuleName>,
    /// The argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_base64: Option<String>,
    /// If the latest run of the workflow id is closed.
    id_reuse_policy: IdReusePolicy,
    /// Environment variables of the workflow.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    environment: BTreeMap<String, String>,
    /// Command-line arguments of the workflow.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    arguments: Vec<String>,
    /// How long the run may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_timeout_seconds: Option<f64>,
    /// How long the run and those that follow it may take together.
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_timeout_seconds: Option<f64>,
    /// When another run follows one that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_policy: Option<ScheduleRetryPolicy>,
    /// What is said about the run, for people.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    memo: BTreeMap<String, RawJson>,
    /// What is said about the run, with types.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    search_attributes: BTreeMap<String, SearchAttribute>,
    /// Its labels.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    tags: Tags,
}

/// When and how often a failed run is followed by another.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleRetryPolicy {
    /// Wait before the second attempt.
    initial_interval_seconds: f64,
    /// Factor from one wait to the next.
    backoff_coefficient: f64,
    /// No wait is longer than this.
    maximum_interval_seconds: f64,
    /// Attempts in total; 0 means no limit.
    maximum_attempts: u32,
    /// Failure types after which it is not tried again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    non_retryable_types: Vec<String>,
}

impl From<RetryPolicy> for ScheduleRetryPolicy {
    fn from(policy: RetryPolicy) -> Self {
        Self {
            initial_interval_seconds: policy.initial_interval.as_secs_f64(),
            backoff_coefficient: policy.backoff_coefficient,
            maximum_interval_seconds: policy.maximum_interval.as_secs_f64(),
            maximum_attempts: policy.maximum_attempts,
            non_retryable_types: policy.non_retryable_types,
        }
    }
}

/// How a schedule acts.
#[derive(Serialize, ToSchema)]
pub(crate) struct SchedulePolicies {
    /// If a run that it started is open.
    overlap: OverlapPolicy,
    /// A time that is longer ago than this when the schedule comes to it is missed.
    catchup_window_seconds: f64,
    /// Whether it is paused when a run that it started fails.
    pause_on_failure: bool,
}

/// One schedule of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleSummary {
    /// The caller's name for it.
    #[schema(value_type = String)]
    schedule_id: ScheduleId,
    /// What it starts.
    #[schema(value_type = String)]
    workflow_type: TypeName,
    /// Whether it takes no action by itself.
    paused: bool,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
    /// Whether the server can't go on with it: describe it.
    blocked: bool,
}

impl From<operations::ScheduleSummary> for ScheduleSummary {
    fn from(summary: operations::ScheduleSummary) -> Self {
        let operations::ScheduleSummary { schedule_id, workflow_type, paused, note, blocked } =
            summary;
        Self { schedule_id, workflow_type, paused, note, blocked }
    }
}

/// One page of a list of schedules.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleList {
    /// The schedules.
    pub(crate) schedules: Vec<ScheduleSummary>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_page_token: Option<String>,
}

/// Everything that is known of a schedule.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleDescription {
    /// The caller's name for it.
    #[schema(value_type = String)]
    schedule_id: ScheduleId,
    /// When.
    spec: ScheduleSpec,
    /// What.
    action: ScheduleAction,
    /// How.
    policies: SchedulePolicies,
    /// Whether it takes no action by itself.
    paused: bool,
    /// Why, or whatever else somebody had to say.
    note: String,
    /// How many actions it may still take by itself; any number if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_actions: Option<u64>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    updated_at: Option<Timestamp>,
    /// The next ten times; none while it is paused, and once it may take no more actions.
    next_times: Vec<ScheduleTime>,
    /// What it has done so far.
    counters: ScheduleCounters,
    /// Open runs that it started; the first of them.
    running: Vec<ScheduledAction>,
    /// How many there are.
    running_count: usize,
    /// Actions that wait; the first of them.
    buffered: Vec<BufferedAction>,
    /// How many there are.
    buffered_count: usize,
    /// The last actions, the newest first.
    recent_actions: Vec<ScheduledAction>,
    /// The workflow id of the run that stands for it, by which it has a history.
    #[schema(value_type = String, example = "dacapo:schedule:nightly-report")]
    workflow_id: String,
    /// That run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// Why the server can't go on with it; there exactly while it is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<Blocked>,
}

impl From<operations::ScheduleDescription> for ScheduleDescription {
    fn from(described: operations::ScheduleDescription) -> Self {
        let operations::ScheduleDescription { schedule_id, definition, status, .. } = described;
        let operations::ScheduleDefinition { spec, action, policies } = definition;
        let (input, input_base64) = payload::embed(&action.input);
        let counters = status.counters;
        Self {
            workflow_id: format!("dacapo:schedule:{schedule_id}"),
            schedule_id,
            spec: spec.into(),
            action: ScheduleAction {
                workflow: action.workflow_type,
                workflow_id: action.workflow_id,
                module: action.module,
                input,
                input_base64,
                id_reuse_policy: action.reuse_policy.into(),
                environment: described.environment,
                arguments: described.arguments,
                run_timeout_seconds: action.run_timeout.map(|it| it.as_secs_f64()),
                execution_timeout_seconds: action.execution_timeout.map(|it| it.as_secs_f64()),
                retry_policy: action.retry.map(Into::into),
                memo: show_memo(action.attributes.memo),
                search_attributes: show_search_attributes(action.attributes.search_attributes),
                tags: action.attributes.tags,
            },
            policies: SchedulePolicies {
                overlap: policies.overlap.into(),
                catchup_window_seconds: policies.catchup_window.as_secs_f64(),
                pause_on_failure: policies.pause_on_failure,
            },
            paused: status.paused,
            note: status.note,
            remaining_actions: status.remaining_actions,
            created_at: status.created_at,
            updated_at: status.updated_at,
            next_times: described.next_times.into_iter().map(Into::into).collect(),
            counters: ScheduleCounters {
                actions: counters.actions,
                missed: counters.missed,
                skipped: counters.skipped,
                buffer_dropped: counters.buffer_dropped,
                start_failures: counters.start_failures,
            },
            running: status.running.into_iter().map(Into::into).collect(),
            running_count: status.running_count,
            buffered: status.buffered.into_iter().map(Into::into).collect(),
            buffered_count: status.buffered_count,
            recent_actions: status.recent_actions.into_iter().map(Into::into).collect(),
            run_id: described.run_id,
            blocked: described.blocked.map(Blocked::from),
        }
    }
}
