//! What events of each type hold.

pub(super) mod child;
pub(super) mod external;
mod marker;
mod module;
mod options;
mod update;

mod activity;

mod chain;

use std::collections::BTreeMap;

use dacapo_model::event;
use dacapo_model::ids::{EventId, OperationId, RequestId, RunId, SignalName, TypeName};
use dacapo_model::module::ModuleDigest;
use dacapo_model::retry;
use dacapo_model::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::activity::{ActivityTaskCancelRequested, ActivityTaskControlled};
use self::chain::{Chain, ContinuationOptions, RunOptions};
pub(crate) use self::chain::{
    TagsChanged, UpsertWorkflowSearchAttributes, WorkflowExecutionDelayEnded,
    WorkflowExecutionReset, WorkflowExecutionTimedOut, WorkflowPropertiesModified, continuation,
    retry_state,
};
pub(crate) use self::marker::MarkerRecorded;
pub(crate) use self::module::NamedModule;
pub(crate) use self::options::WorkflowExecutionOptionsUpdated;
use super::failure::Failure;
use super::mirror::mirror;
use super::payload::{self, RawJson};
use super::task_placement::TaskPlacement;

pub(crate) use self::update::{WorkflowExecutionUpdateAccepted, WorkflowExecutionUpdateCompleted};

mirror! {
    /// Which timeout of an activity elapsed.
    TimeoutType = event::TimeoutType {
        /// One attempt took too long, and no further one was allowed.
        StartToClose,
        /// All attempts together took too long.
        ScheduleToClose,
        /// An attempt did not begin in time.
        ScheduleToStart,
        /// The last attempt was silent for too long.
        Heartbeat,
    }
}

mirror! {
    /// Why no further attempt is made.
    RetryState = retry::RetryState {
        /// The failure says that trying again can't help.
        NonRetryableFailure,
        /// All attempts the policy allows were made.
        MaximumAttemptsReached,
        /// The next attempt would start after the schedule-to-close timeout of an activity, or after
        /// the execution timeout of a run.
        Timeout,
        /// The workflow asked the activity to cancel.
        CancelRequested,
        /// Another run makes the next attempt.
        InProgress,
    }
}

/// What was fixed when a run started.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowExecutionStarted {
    /// What it runs.
    #[schema(value_type = String)]
    pub(super) workflow_type: TypeName,
    /// The code it is pinned to.
    #[schema(value_type = String)]
    pub(super) module_digest: ModuleDigest,
    /// Its argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input_base64: Option<String>,
    /// Which rules of the engine the history was made under.
    pub(super) engine_version: u32,
    /// By which a repeat of the start is recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) request_id: Option<RequestId>,
    /// Environment variables of the workflow.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) environment: BTreeMap<String, String>,
    /// Command-line arguments of the workflow.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) arguments: Vec<String>,
    /// The run that continued as this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub(super) continued_from: Option<RunId>,
    /// How many signals it began with: the events that follow.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) initial_signals: u64,
    /// The run that started it as a child.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<child::Parent>,
    /// What the start asked for besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) options: Option<RunOptions>,
    /// Its place among the runs that follow each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) chain: Option<Chain>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A request to cancel.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowExecutionCancelRequested {
    /// Why, for people.
    pub(super) reason: String,
    /// By which a repeat is recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) request_id: Option<RequestId>,
}

/// A signal.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowExecutionSignaled {
    /// What it is about.
    #[schema(value_type = String)]
    pub(super) signal_name: SignalName,
    /// By which a repeat is recognised. Made up by the server if the sender sent none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) request_id: Option<RequestId>,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input_base64: Option<String>,
}

/// The result of a run.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowExecutionCompleted {
    /// The result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result_base64: Option<String>,
}

/// The failure of a run.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowExecutionFailed {
    /// The failure.
    pub(super) failure: Failure,
    /// Whether another run follows, or why not; absent without a retry policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_state: Option<RetryState>,
    /// The run that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub(super) new_run_id: Option<RunId>,
}

/// How a run took a request to cancel.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowExecutionCanceled {
    /// What it had to say.
    pub(super) details: String,
}

/// The end of a run from outside.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowExecutionTerminated {
    /// Why, for people.
    pub(super) reason: String,
    /// The run that goes on instead, if the run was reset. It is the same child, if the run was
    /// one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub(super) new_run_id: Option<RunId>,
}

/// The run that follows.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowExecutionContinuedAsNew {
    /// The new run.
    #[schema(value_type = String, format = "uuid")]
    pub(super) new_run_id: RunId,
    /// What it runs.
    #[schema(value_type = String)]
    pub(super) workflow_type: TypeName,
    /// Its argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input_base64: Option<String>,
    /// What else is different in the new run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) options: Option<ContinuationOptions>,
}

/// Why a run was blocked.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowTaskFailed {
    /// The stable code of the fault.
    pub(super) code: String,
    /// What happened.
    pub(super) message: String,
}

/// An activity.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivityTaskScheduled {
    /// The workflow's name for it.
    #[schema(value_type = u32)]
    pub(super) operation_id: OperationId,
    /// What to run.
    #[schema(value_type = String)]
    pub(super) activity_type: TypeName,
    /// Its argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input_base64: Option<String>,
    /// Limit for one attempt.
    pub(super) start_to_close_timeout_seconds: f64,
    /// Limit over all attempts and waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) schedule_to_close_timeout_seconds: Option<f64>,
    /// Limit for the time until an attempt begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) schedule_to_start_timeout_seconds: Option<f64>,
    /// Longest silence between two heartbeats of an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) heartbeat_timeout_seconds: Option<f64>,
    /// Whether and when to try again.
    pub(super) retry_policy: RetryPolicy,
    /// Where its attempts wait for a worker; absent if no worker runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) task_queue: Option<TaskPlacement>,
    /// The module that defines it; absent if it is this run's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) module: Option<NamedModule>,
}

/// When and how often a failed activity is tried again.
#[derive(Serialize, ToSchema)]
pub(crate) struct RetryPolicy {
    /// Wait before the second attempt.
    pub(super) initial_interval_seconds: f64,
    /// Factor from one wait to the next.
    pub(super) backoff_coefficient: f64,
    /// No wait is longer than this.
    pub(super) maximum_interval_seconds: f64,
    /// Attempts in total; 0 means no limit.
    pub(super) maximum_attempts: u32,
    /// Failure types that end the activity at once.
    pub(super) non_retryable_types: Vec<String>,
}

/// An attempt of an activity.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivityTaskStarted {
    /// Its `ActivityTaskScheduled`.
    #[schema(value_type = u64)]
    pub(super) scheduled_event_id: EventId,
    /// From 1.
    pub(super) attempt: u32,
    /// True if it is to be completed from outside.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) asynchronous: bool,
}

/// The result of an activity.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivityTaskCompleted {
    /// Its `ActivityTaskScheduled`.
    #[schema(value_type = u64)]
    pub(super) scheduled_event_id: EventId,
    /// The workflow's name for it.
    #[schema(value_type = u32)]
    pub(super) operation_id: OperationId,
    /// The attempt that returned.
    pub(super) attempt: u32,
    /// What it returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result_base64: Option<String>,
}

/// The failure of an activity.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivityTaskFailed {
    /// Its `ActivityTaskScheduled`.
    #[schema(value_type = u64)]
    pub(super) scheduled_event_id: EventId,
    /// The workflow's name for it.
    #[schema(value_type = u32)]
    pub(super) operation_id: OperationId,
    /// The last attempt.
    pub(super) attempt: u32,
    /// Why it failed.
    pub(super) failure: Failure,
    /// Why it is not tried again.
    pub(super) retry_state: RetryState,
}

/// A timeout of an activity.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivityTaskTimedOut {
    /// Its `ActivityTaskScheduled`.
    #[schema(value_type = u64)]
    pub(super) scheduled_event_id: EventId,
    /// The workflow's name for it.
    #[schema(value_type = u32)]
    pub(super) operation_id: OperationId,
    /// The last attempt.
    pub(super) attempt: u32,
    /// Which timeout elapsed.
    pub(super) timeout_type: TimeoutType,
    /// What the attempt before failed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_failure: Option<Failure>,
}

/// An activity that was given up, or that ended because it was asked to.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivityTaskCanceled {
    /// Its `ActivityTaskScheduled`.
    #[schema(value_type = u64)]
    pub(super) scheduled_event_id: EventId,
    /// The workflow's name for it.
    #[schema(value_type = u32)]
    pub(super) operation_id: OperationId,
    /// What it had to say about it; absent if the workflow did not wait for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Failure>,
}

/// A timer.
#[derive(Serialize, ToSchema)]
pub(crate) struct TimerStarted {
    /// The workflow's name for it.
    #[schema(value_type = u32)]
    pub(super) operation_id: OperationId,
    /// It fires then, not earlier.
    #[schema(value_type = String, format = DateTime)]
    pub(super) fire_at: Timestamp,
}

/// A timer that fired or was given up.
#[derive(Serialize, ToSchema)]
pub(crate) struct TimerEnded {
    /// Its `TimerStarted`.
    #[schema(value_type = u64)]
    pub(super) started_event_id: EventId,
    /// The workflow's name for it.
    #[schema(value_type = u32)]
    pub(super) operation_id: OperationId,
}

impl From<event::WorkflowExecutionStarted> for WorkflowExecutionStarted {
    fn from(started: event::WorkflowExecutionStarted) -> Self {
        let (input, input_base64) = payload::embed(&started.input);
        Self {
            workflow_type: started.workflow_type,
            module_digest: started.module_digest,
            input,
            input_base64,
            engine_version: started.engine_version,
            request_id: started.request_id,
            environment: started.environment,
            arguments: started.arguments,
            continued_from: started.continued_from,
            initial_signals: started.initial_signals,
            parent: started.parent.map(|parent| (*parent).into()),
            options: chain::run_options(started.options),
            chain: chain::chain(started.chain),
        }
    }
}

impl From<retry::RetryPolicy> for RetryPolicy {
    fn from(policy: retry::RetryPolicy) -> Self {
        Self {
            initial_interval_seconds: policy.initial_interval.as_secs_f64(),
            backoff_coefficient: policy.backoff_coefficient,
            maximum_interval_seconds: policy.maximum_interval.as_secs_f64(),
            maximum_attempts: policy.maximum_attempts,
            non_retryable_types: policy.non_retryable_types,
        }
    }
}
