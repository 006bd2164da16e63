//! The recorded vocabulary. Append-only: a variant, a field or its meaning is
//! never changed once histories hold it. Names follow Temporal's events.
//!
//! *Inputs* are things that happened to a run and are delivered to its guest;
//! *commands* are things the guest asked for, matched again on replay. [`Role`] says
//! which event is what. Each event has at most one [`Payload`], which stores keep beside the attributes,
//! byte for byte.

mod activity;
mod attributes;
mod chain;
mod child;
mod export;
mod external;
mod marker;
mod options;
mod role;
mod size;
mod started;
mod taken;
#[cfg(test)]
mod tests;
mod update;

use serde::{Deserialize, Serialize};

pub use self::activity::{
    ActivityOptions, ActivityTaskCancelRequested, ActivityTaskPaused, ActivityTaskReset,
    ActivityTaskUnpaused, AskedActivityOptions, OpenAttempt, TimeoutType,
};
pub use self::attributes::{
    TagsChanged, UpsertWorkflowSearchAttributes, WorkflowPropertiesModified,
};
pub use self::chain::{
    Chain, ContinuationOptions, HistorySize, RunOptions, RunTimeoutType, WorkflowExecutionReset,
    WorkflowExecutionTimedOut,
};
pub use self::child::{
    ChildCancellationType, ChildOptions, ChildWorkflowExecutionCanceled,
    ChildWorkflowExecutionCompleted, ChildWorkflowExecutionFailed, ChildWorkflowExecutionStarted,
    ChildWorkflowExecutionTerminated, ChildWorkflowExecutionTimedOut, ModuleRef, ParentClosePolicy,
    ParentExecution, RootExecution, StartChildWorkflowExecutionFailed,
    StartChildWorkflowExecutionInitiated,
};
pub use self::export::{ExportFormat, ExportedEvent, ExportedHistory};
pub use self::external::{
    ExternalWorkflowExecutionCancelRequested, ExternalWorkflowExecutionSignaled,
    RequestCancelExternalWorkflowExecutionFailed, RequestCancelExternalWorkflowExecutionInitiated,
    SignalExternalWorkflowExecutionFailed, SignalExternalWorkflowExecutionInitiated,
};
pub use self::marker::Marker;
pub use self::options::WorkflowExecutionOptionsUpdated;
pub use self::role::Role;
pub use self::size::EVENT_BYTES;
pub use self::started::WorkflowExecutionStarted;
pub use self::taken::{Taken, TakenUpdate};
pub use self::update::{UpdateAccepted, UpdateCompleted};
use crate::failure::Failure;
use crate::ids::{EventId, OperationId, RequestId, RunId, SignalName, TypeName};
use crate::module::ModuleDigest;
use crate::payload::Payload;
use crate::retry::RetryState;
use crate::time::Timestamp;

/// One recorded fact about a run.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEvent {
    /// Its position, from 1, without gaps.
    pub id: EventId,
    /// When it was recorded. Never before the event ahead of it.
    pub time: Timestamp,
    /// What happened.
    pub attributes: EventAttributes,
}

/// What happened, by type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum EventAttributes {
    /// The run exists. Always the first event, and nowhere else.
    WorkflowExecutionStarted(Box<WorkflowExecutionStarted>),
    /// Input: someone asked the run to cancel. At most once.
    WorkflowExecutionCancelRequested {
        /// Why, for people.
        reason: String,
        /// By which a repeat is recognised.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<RequestId>,
    },
    /// Input: someone sent the run a message.
    WorkflowExecutionSignaled {
        /// What it is about.
        signal_name: SignalName,
        /// By which a repeat is recognised.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<RequestId>,
        /// What it says.
        #[serde(skip)]
        input: Payload,
    },
    /// Input: the guest was offered an update, and took it on. It is delivered
    /// where the event stands, and accepted by the guest before anything else.
    WorkflowExecutionUpdateAccepted(UpdateAccepted),
    /// Command: the guest answered an update.
    WorkflowExecutionUpdateCompleted(Box<UpdateCompleted>),
    /// Closing: the workflow returned a result.
    WorkflowExecutionCompleted {
        /// The result.
        #[serde(skip)]
        result: Payload,
    },
    /// Closing: the workflow returned a failure.
    WorkflowExecutionFailed {
        /// The failure.
        failure: Failure,
        /// Whether another run follows, or why not; absent without a retry policy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_state: Option<RetryState>,
        /// The run that follows, started in the same transition.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_run_id: Option<RunId>,
    },
    /// Closing: the workflow ended because it was asked to.
    WorkflowExecutionCanceled {
        /// What it had to say.
        details: String,
    },
    /// Closing: ended from outside without asking the workflow.
    WorkflowExecutionTerminated {
        /// Why, for people.
        reason: String,
        /// The run that goes on instead, as the same child if it is one: the run was
        /// reset. Started in the same transition.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_run_id: Option<RunId>,
    },
    /// Closing: goes on as a new run, started in the same transition.
    WorkflowExecutionContinuedAsNew {
        /// The new run.
        new_run_id: RunId,
        /// What it runs.
        workflow_type: TypeName,
        /// Its argument.
        #[serde(skip)]
        input: Payload,
        /// What else the run asked for.
        #[serde(default, skip_serializing_if = "ContinuationOptions::is_default")]
        options: Box<ContinuationOptions>,
    },
    /// Closing: its time was over.
    WorkflowExecutionTimedOut(WorkflowExecutionTimedOut),
    /// The guest runs for the first time: the delay that the start asked for is
    /// over. What happened to the run before this is delivered after what the
    /// guest asks for before it first waits.
    WorkflowExecutionDelayEnded {},
    /// The run began with a copy of another's history, which ends here. Inputs
    /// that follow are delivered like those after `WorkflowTaskFailed`.
    WorkflowExecutionReset(WorkflowExecutionReset),
    /// Command: search attributes of the run are to change.
    UpsertWorkflowSearchAttributes(UpsertWorkflowSearchAttributes),
    /// Command: the memo of the run is to change.
    WorkflowPropertiesModified(WorkflowPropertiesModified),
    /// Command: the workflow changed the tags of its run.
    WorkflowTagsModified(TagsChanged),
    /// The guest could not go on from here: the run was blocked. What the guest
    /// asked for in the activation that failed was not recorded; inputs that
    /// follow this event are delivered after what the guest asks for when the
    /// activation is tried again.
    WorkflowTaskFailed {
        /// The stable code of the fault.
        code: String,
        /// What happened.
        message: String,
    },
    /// Command: an activity is to be run. After a crash it is run again unless
    /// an event below closes it.
    ActivityTaskScheduled {
        /// The guest's name for it.
        operation_id: OperationId,
        /// What to run.
        activity_type: TypeName,
        /// Its argument.
        #[serde(skip)]
        input: Payload,
        /// How.
        #[serde(
            default = "ActivityOptions::unnamed",
            skip_serializing_if = "ActivityOptions::are_unnamed"
        )]
        options: ActivityOptions,
    },
    /// An attempt is about to start. Written only for activities that may be
    /// tried once: after a crash such an attempt is lost, not repeated. Or an
    /// attempt that runs is to be completed from outside, if it says `open`.
    ActivityTaskStarted {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// From 1.
        attempt: u32,
        /// How it stays open outside.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        open: Option<Box<OpenAttempt>>,
    },
    /// Input: an activity returned.
    ActivityTaskCompleted {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// The guest's name for it.
        operation_id: OperationId,
        /// The attempt that returned.
        attempt: u32,
        /// What it returned.
        #[serde(skip)]
        result: Payload,
    },
    /// Input: an activity failed and is not tried again.
    ActivityTaskFailed {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// The guest's name for it.
        operation_id: OperationId,
        /// The last attempt.
        attempt: u32,
        /// Why it failed.
        failure: Failure,
        /// Why it is not tried again.
        retry_state: RetryState,
    },
    /// Input: an activity ran out of time and is not tried again.
    ActivityTaskTimedOut {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// The guest's name for it.
        operation_id: OperationId,
        /// The last attempt.
        attempt: u32,
        /// Which timeout elapsed.
        timeout_type: TimeoutType,
        /// What the attempt before failed with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_failure: Option<Failure>,
    },
    /// Command: the guest gave an activity up. With a failure it is an input: the
    /// activity ended because it was asked to.
    ActivityTaskCanceled {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// The guest's name for it.
        operation_id: OperationId,
        /// What it had to say about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// Command: the guest asks an activity to cancel, and goes on waiting for it.
    ActivityTaskCancelRequested(ActivityTaskCancelRequested),
    /// An operator holds an activity.
    ActivityTaskPaused(ActivityTaskPaused),
    /// An operator lets a held activity go on.
    ActivityTaskUnpaused(ActivityTaskUnpaused),
    /// An operator makes an activity start over.
    ActivityTaskReset(ActivityTaskReset),
    /// Command: a timer is to fire.
    TimerStarted {
        /// The guest's name for it.
        operation_id: OperationId,
        /// Not before then.
        fire_at: Timestamp,
    },
    /// Input: a timer fired.
    TimerFired {
        /// Its `TimerStarted`.
        started_event_id: EventId,
        /// The guest's name for it.
        operation_id: OperationId,
    },
    /// Command: the guest gave a timer up.
    TimerCanceled {
        /// Its `TimerStarted`.
        started_event_id: EventId,
        /// The guest's name for it.
        operation_id: OperationId,
    },
    /// Command: the run noted something for itself.
    MarkerRecorded(Marker),
    /// Someone changed how the run is executed.
    WorkflowExecutionOptionsUpdated(WorkflowExecutionOptionsUpdated),
    /// Someone changed the tags of the run.
    WorkflowExecutionTagsUpdated(TagsChanged),
    /// Command: a child is to start.
    StartChildWorkflowExecutionInitiated(Box<StartChildWorkflowExecutionInitiated>),
    /// Input: a child could not start.
    StartChildWorkflowExecutionFailed(StartChildWorkflowExecutionFailed),
    /// Input: a child has started.
    ChildWorkflowExecutionStarted(ChildWorkflowExecutionStarted),
    /// Input: a child completed.
    ChildWorkflowExecutionCompleted(ChildWorkflowExecutionCompleted),
    /// Input: a child failed.
    ChildWorkflowExecutionFailed(ChildWorkflowExecutionFailed),
    /// Input: a child ended because it was asked to.
    ChildWorkflowExecutionCanceled(ChildWorkflowExecutionCanceled),
    /// Input: a child ran out of its time.
    ChildWorkflowExecutionTimedOut(ChildWorkflowExecutionTimedOut),
    /// Input: a child was ended from outside.
    ChildWorkflowExecutionTerminated(ChildWorkflowExecutionTerminated),
    /// Command: another run is to be sent a signal.
    SignalExternalWorkflowExecutionInitiated(Box<SignalExternalWorkflowExecutionInitiated>),
    /// Input: another run has recorded a signal of this one.
    ExternalWorkflowExecutionSignaled(ExternalWorkflowExecutionSignaled),
    /// Input: a signal could not be sent.
    SignalExternalWorkflowExecutionFailed(SignalExternalWorkflowExecutionFailed),
    /// Command: another run is to be asked to cancel.
    RequestCancelExternalWorkflowExecutionInitiated(
        Box<RequestCancelExternalWorkflowExecutionInitiated>,
    ),
    /// Input: another run has recorded a request of this one to cancel.
    ExternalWorkflowExecutionCancelRequested(ExternalWorkflowExecutionCancelRequested),
    /// Input: another run could not be asked to cancel.
    RequestCancelExternalWorkflowExecutionFailed(RequestCancelExternalWorkflowExecutionFailed),
}

impl EventAttributes {
    /// The run that starts in the transition of this closing event: it follows, or
    /// goes on in its place.
    pub fn next_run(&self) -> Option<RunId> {
        match self {
            Self::WorkflowExecutionContinuedAsNew { new_run_id, .. } => Some(*new_run_id),
            Self::WorkflowExecutionFailed { new_run_id, .. }
            | Self::WorkflowExecutionTerminated { new_run_id, .. } => *new_run_id,
            Self::WorkflowExecutionTimedOut(timed_out) => timed_out.new_run_id,
            _ => None,
        }
    }

    /// The name of the type, as stored and shown.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::WorkflowExecutionStarted(_) => "WorkflowExecutionStarted",
            Self::WorkflowExecutionCancelRequested { .. } => "WorkflowExecutionCancelRequested",
            Self::WorkflowExecutionSignaled { .. } => "WorkflowExecutionSignaled",
            Self::WorkflowExecutionUpdateAccepted(_) => "WorkflowExecutionUpdateAccepted",
            Self::WorkflowExecutionUpdateCompleted(_) => "WorkflowExecutionUpdateCompleted",
            Self::WorkflowExecutionCompleted { .. } => "WorkflowExecutionCompleted",
            Self::WorkflowExecutionFailed { .. } => "WorkflowExecutionFailed",
            Self::WorkflowExecutionCanceled { .. } => "WorkflowExecutionCanceled",
            Self::WorkflowExecutionTerminated { .. } => "WorkflowExecutionTerminated",
            Self::WorkflowExecutionContinuedAsNew { .. } => "WorkflowExecutionContinuedAsNew",
            Self::WorkflowExecutionTimedOut(_) => "WorkflowExecutionTimedOut",
            Self::WorkflowExecutionDelayEnded {} => "WorkflowExecutionDelayEnded",
            Self::WorkflowExecutionReset(_) => "WorkflowExecutionReset",
            Self::UpsertWorkflowSearchAttributes(_) => "UpsertWorkflowSearchAttributes",
            Self::WorkflowPropertiesModified(_) => "WorkflowPropertiesModified",
            Self::WorkflowTagsModified(_) => "WorkflowTagsModified",
            Self::WorkflowTaskFailed { .. } => "WorkflowTaskFailed",
            Self::ActivityTaskScheduled { .. } => "ActivityTaskScheduled",
            Self::ActivityTaskStarted { .. } => "ActivityTaskStarted",
            Self::ActivityTaskCompleted { .. } => "ActivityTaskCompleted",
            Self::ActivityTaskFailed { .. } => "ActivityTaskFailed",
            Self::ActivityTaskTimedOut { .. } => "ActivityTaskTimedOut",
            Self::ActivityTaskCanceled { .. } => "ActivityTaskCanceled",
            Self::ActivityTaskCancelRequested(_) => "ActivityTaskCancelRequested",
            Self::ActivityTaskPaused(_) => "ActivityTaskPaused",
            Self::ActivityTaskUnpaused(_) => "ActivityTaskUnpaused",
            Self::ActivityTaskReset(_) => "ActivityTaskReset",
            Self::TimerStarted { .. } => "TimerStarted",
            Self::TimerFired { .. } => "TimerFired",
            Self::TimerCanceled { .. } => "TimerCanceled",
            Self::MarkerRecorded(_) => "MarkerRecorded",
            Self::WorkflowExecutionOptionsUpdated(_) => "WorkflowExecutionOptionsUpdated",
            Self::WorkflowExecutionTagsUpdated(_) => "WorkflowExecutionTagsUpdated",
            Self::StartChildWorkflowExecutionInitiated(_) => "StartChildWorkflowExecutionInitiated",
            Self::StartChildWorkflowExecutionFailed(_) => "StartChildWorkflowExecutionFailed",
            Self::ChildWorkflowExecutionStarted(_) => "ChildWorkflowExecutionStarted",
            Self::ChildWorkflowExecutionCompleted(_) => "ChildWorkflowExecutionCompleted",
            Self::ChildWorkflowExecutionFailed(_) => "ChildWorkflowExecutionFailed",
            Self::ChildWorkflowExecutionCanceled(_) => "ChildWorkflowExecutionCanceled",
            Self::ChildWorkflowExecutionTimedOut(_) => "ChildWorkflowExecutionTimedOut",
            Self::ChildWorkflowExecutionTerminated(_) => "ChildWorkflowExecutionTerminated",
            Self::SignalExternalWorkflowExecutionInitiated(_) => {
                "SignalExternalWorkflowExecutionInitiated"
            }
            Self::ExternalWorkflowExecutionSignaled(_) => "ExternalWorkflowExecutionSignaled",
            Self::SignalExternalWorkflowExecutionFailed(_) => {
                "SignalExternalWorkflowExecutionFailed"
            }
            Self::RequestCancelExternalWorkflowExecutionInitiated(_) => {
                "RequestCancelExternalWorkflowExecutionInitiated"
            }
            Self::ExternalWorkflowExecutionCancelRequested(_) => {
                "ExternalWorkflowExecutionCancelRequested"
            }
            Self::RequestCancelExternalWorkflowExecutionFailed(_) => {
                "RequestCancelExternalWorkflowExecutionFailed"
            }
        }
    }

    /// The payload and its field's name, for the types that have one.
    pub fn payload(&self) -> Option<(&'static str, &Payload)> {
        match self {
            Self::WorkflowExecutionStarted(started) => Some(("input", &started.input)),
            Self::WorkflowExecutionUpdateAccepted(accepted) => Some(("input", &accepted.input)),
            Self::WorkflowExecutionUpdateCompleted(completed) => {
                completed.failure.is_none().then_some(("result", &completed.result))
            }
            Self::WorkflowExecutionSignaled { input, .. }
            | Self::ActivityTaskScheduled { input, .. }
            | Self::WorkflowExecutionContinuedAsNew { input, .. } => Some(("input", input)),
            Self::WorkflowExecutionCompleted { result }
            | Self::ActivityTaskCompleted { result, .. } => Some(("result", result)),
            Self::MarkerRecorded(marker) => marker.payload(),
            Self::StartChildWorkflowExecutionInitiated(child) => Some(("input", &child.input)),
            Self::ChildWorkflowExecutionCompleted(child) => Some(("result", &child.result)),
            Self::SignalExternalWorkflowExecutionInitiated(signal) => {
                Some(("input", &signal.input))
            }
            _ => None,
        }
    }

    /// Puts back the payload that [`Self::payload`] named, after the rest was
    /// read without it. Does nothing for types that have none.
    pub fn set_payload(&mut self, payload: Payload) {
        match self {
            Self::WorkflowExecutionStarted(started) => started.input = payload,
            Self::WorkflowExecutionUpdateAccepted(accepted) => accepted.input = payload,
            Self::WorkflowExecutionUpdateCompleted(completed) => completed.result = payload,
            Self::WorkflowExecutionSignaled { input, .. }
            | Self::ActivityTaskScheduled { input, .. }
            | Self::WorkflowExecutionContinuedAsNew { input, .. } => *input = payload,
            Self::WorkflowExecutionCompleted { result }
            | Self::ActivityTaskCompleted { result, .. } => *result = payload,
            Self::MarkerRecorded(marker) => marker.set_payload(payload),
            Self::StartChildWorkflowExecutionInitiated(child) => child.input = payload,
            Self::ChildWorkflowExecutionCompleted(child) => child.result = payload,
            Self::SignalExternalWorkflowExecutionInitiated(signal) => signal.input = payload,
            _ => {}
        }
    }

    /// The code that the run is pinned to from this event on, if it says so.
    pub fn pinned_module(&self) -> Option<ModuleDigest> {
        match self {
            Self::WorkflowExecutionStarted(started) => Some(started.module_digest),
            Self::WorkflowExecutionOptionsUpdated(options) => options.module_digest,
            _ => None,
        }
    }
}
