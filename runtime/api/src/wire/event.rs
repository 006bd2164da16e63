//! Events, and histories of them.

use dacapo_model::event::{self, EventAttributes as Model};
use dacapo_model::ids::{EventId, RunId};
use dacapo_model::time::Timestamp;
use dacapo_service::operations;
use serde::Serialize;
use utoipa::ToSchema;

use super::attributes::child::{
    ChildWorkflowExecutionCanceled, ChildWorkflowExecutionCompleted, ChildWorkflowExecutionFailed,
    ChildWorkflowExecutionStarted, ChildWorkflowExecutionTerminated,
    ChildWorkflowExecutionTimedOut, StartChildWorkflowExecutionFailed,
    StartChildWorkflowExecutionInitiated,
};
use super::attributes::external::{
    ExternalWorkflowExecutionCancelRequested, ExternalWorkflowExecutionSignaled,
    RequestCancelExternalWorkflowExecutionFailed, RequestCancelExternalWorkflowExecutionInitiated,
    SignalExternalWorkflowExecutionFailed, SignalExternalWorkflowExecutionInitiated,
};
use super::attributes::{
    ActivityTaskCancelRequested, ActivityTaskCanceled, ActivityTaskCompleted,
    ActivityTaskControlled, ActivityTaskFailed, ActivityTaskScheduled, ActivityTaskStarted,
    ActivityTaskTimedOut, MarkerRecorded, NamedModule, TagsChanged, TimerEnded, TimerStarted,
    UpsertWorkflowSearchAttributes, WorkflowExecutionCancelRequested, WorkflowExecutionCanceled,
    WorkflowExecutionCompleted, WorkflowExecutionContinuedAsNew, WorkflowExecutionDelayEnded,
    WorkflowExecutionFailed, WorkflowExecutionOptionsUpdated, WorkflowExecutionReset,
    WorkflowExecutionSignaled, WorkflowExecutionStarted, WorkflowExecutionTerminated,
    WorkflowExecutionTimedOut, WorkflowExecutionUpdateAccepted, WorkflowExecutionUpdateCompleted,
    WorkflowPropertiesModified, WorkflowTaskFailed, continuation, retry_state,
};
use super::failure::Failure;
use super::payload;
use super::task_placement::TaskPlacement;

/// A part of a history.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryPage {
    /// The run it belongs to. Name it when you ask for the next page, so that a new run of the same
    /// workflow id does not come between.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// In order.
    events: Vec<HistoryEvent>,
    /// What can't be shown, in place of its events; absent if all can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damaged: Vec<DamagedEvent>,
    /// The `from` of the next page; absent after the last event so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    next: Option<EventId>,
}

/// Something in place of an event that is missing, or can't be read.
#[derive(Serialize, ToSchema)]
pub(crate) struct DamagedEvent {
    /// The event, or the first of several that are missing.
    #[schema(value_type = u64)]
    event_id: EventId,
    /// What is wrong.
    message: String,
}

impl From<operations::DamagedEvent> for DamagedEvent {
    fn from(damaged: operations::DamagedEvent) -> Self {
        Self { event_id: damaged.event_id, message: damaged.message }
    }
}

/// One recorded fact about a run.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryEvent {
    /// Its position, from 1, without gaps.
    #[schema(value_type = u64)]
    event_id: EventId,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    #[serde(flatten)]
    attributes: EventAttributes,
}

/// What happened, by type.
#[derive(Serialize, ToSchema)]
#[serde(tag = "event_type", content = "attributes")]
pub(crate) enum EventAttributes {
    /// The run exists. Always the first event.
    WorkflowExecutionStarted(Box<WorkflowExecutionStarted>),
    /// Someone asked the run to cancel.
    WorkflowExecutionCancelRequested(WorkflowExecutionCancelRequested),
    /// Someone sent the run a signal.
    WorkflowExecutionSignaled(WorkflowExecutionSignaled),
    /// The workflow took an update on.
    WorkflowExecutionUpdateAccepted(WorkflowExecutionUpdateAccepted),
    /// The workflow answered an update.
    WorkflowExecutionUpdateCompleted(Box<WorkflowExecutionUpdateCompleted>),
    /// Closing: the workflow returned a result.
    WorkflowExecutionCompleted(WorkflowExecutionCompleted),
    /// Closing: the workflow returned a failure.
    WorkflowExecutionFailed(WorkflowExecutionFailed),
    /// Closing: the workflow ended because it was asked to.
    WorkflowExecutionCanceled(WorkflowExecutionCanceled),
    /// Closing: ended from outside without asking the workflow.
    WorkflowExecutionTerminated(WorkflowExecutionTerminated),
    /// Closing: goes on as a new run.
    WorkflowExecutionContinuedAsNew(WorkflowExecutionContinuedAsNew),
    /// Closing: its time was over.
    WorkflowExecutionTimedOut(WorkflowExecutionTimedOut),
    /// The delay of its start was over: its workflow ran for the first time.
    WorkflowExecutionDelayEnded(WorkflowExecutionDelayEnded),
    /// The run began with the history of another, up to here.
    WorkflowExecutionReset(WorkflowExecutionReset),
    /// The workflow changed search attributes.
    UpsertWorkflowSearchAttributes(UpsertWorkflowSearchAttributes),
    /// The workflow changed the memo.
    WorkflowPropertiesModified(WorkflowPropertiesModified),
    /// The workflow changed the tags of its run.
    WorkflowTagsModified(TagsChanged),
    /// Someone changed the tags of the run.
    WorkflowExecutionTagsUpdated(TagsChanged),
    /// The workflow's code could not go on from here: the run was blocked.
    WorkflowTaskFailed(WorkflowTaskFailed),
    /// An activity is to be run.
    ActivityTaskScheduled(Box<ActivityTaskScheduled>),
    /// An attempt is about to start, of an activity that may be tried once; or an attempt is to be
    /// completed from outside.
    ActivityTaskStarted(ActivityTaskStarted),
    /// An activity returned.
    ActivityTaskCompleted(ActivityTaskCompleted),
    /// An activity failed and is not tried again.
    ActivityTaskFailed(ActivityTaskFailed),
    /// An activity ran out of time and is not tried again.
    ActivityTaskTimedOut(ActivityTaskTimedOut),
    /// The workflow gave an activity up, or it ended because it was asked to.
    ActivityTaskCanceled(ActivityTaskCanceled),
    /// The workflow asked an activity to cancel, and waits for its end.
    ActivityTaskCancelRequested(ActivityTaskCancelRequested),
    /// An operator holds an activity.
    ActivityTaskPaused(ActivityTaskControlled),
    /// An operator lets a held activity go on.
    ActivityTaskUnpaused(ActivityTaskControlled),
    /// An operator starts an activity over.
    ActivityTaskReset(ActivityTaskControlled),
    /// A timer is to fire.
    TimerStarted(TimerStarted),
    /// A timer fired.
    TimerFired(TimerEnded),
    /// The workflow gave a timer up.
    TimerCanceled(TimerEnded),
    /// The workflow noted something for itself.
    MarkerRecorded(MarkerRecorded),
    /// Someone changed how the run is executed.
    WorkflowExecutionOptionsUpdated(WorkflowExecutionOptionsUpdated),
    /// A child is to start.
    StartChildWorkflowExecutionInitiated(Box<StartChildWorkflowExecutionInitiated>),
    /// A child could not start.
    StartChildWorkflowExecutionFailed(StartChildWorkflowExecutionFailed),
    /// A child has started.
    ChildWorkflowExecutionStarted(ChildWorkflowExecutionStarted),
    /// A child completed.
    ChildWorkflowExecutionCompleted(ChildWorkflowExecutionCompleted),
    /// A child failed.
    ChildWorkflowExecutionFailed(ChildWorkflowExecutionFailed),
    /// A child ended because it was asked to.
    ChildWorkflowExecutionCanceled(ChildWorkflowExecutionCanceled),
    /// A child ran out of its time.
    ChildWorkflowExecutionTimedOut(ChildWorkflowExecutionTimedOut),
    /// A child was ended from outside.
    ChildWorkflowExecutionTerminated(ChildWorkflowExecutionTerminated),
    /// Another run is to be sent a signal.
    SignalExternalWorkflowExecutionInitiated(Box<SignalExternalWorkflowExecutionInitiated>),
    /// Another run has recorded a signal of this one.
    ExternalWorkflowExecutionSignaled(ExternalWorkflowExecutionSignaled),
    /// A signal could not be sent.
    SignalExternalWorkflowExecutionFailed(SignalExternalWorkflowExecutionFailed),
    /// Another run is to be asked to cancel.
    RequestCancelExternalWorkflowExecutionInitiated(
        Box<RequestCancelExternalWorkflowExecutionInitiated>,
    ),
    /// Another run has recorded a request of this one to cancel.
    ExternalWorkflowExecutionCancelRequested(ExternalWorkflowExecutionCancelRequested),
    /// Another run could not be asked to cancel.
    RequestCancelExternalWorkflowExecutionFailed(RequestCancelExternalWorkflowExecutionFailed),
}

impl From<operations::HistoryPage> for HistoryPage {
    fn from(page: operations::HistoryPage) -> Self {
        Self {
            run_id: page.run_id,
            events: page.events.into_iter().map(HistoryEvent::from).collect(),
            damaged: page.damaged.into_iter().map(DamagedEvent::from).collect(),
            next: page.next,
        }
    }
}

impl From<event::HistoryEvent> for HistoryEvent {
    fn from(event: event::HistoryEvent) -> Self {
        Self { event_id: event.id, time: event.time, attributes: event.attributes.into() }
    }
}

impl From<Model> for EventAttributes {
    fn from(attributes: Model) -> Self {
        match attributes {
            Model::WorkflowExecutionStarted(started) => {
                Self::WorkflowExecutionStarted(Box::new((*started).into()))
            }
            Model::WorkflowExecutionCancelRequested { reason, request_id } => {
                Self::WorkflowExecutionCancelRequested(WorkflowExecutionCancelRequested {
                    reason,
                    request_id,
                })
            }
            Model::WorkflowExecutionSignaled { signal_name, request_id, input } => {
                let (input, input_base64) = payload::embed(&input);
                Self::WorkflowExecutionSignaled(WorkflowExecutionSignaled {
                    signal_name,
                    request_id,
                    input,
                    input_base64,
                })
            }
            Model::WorkflowExecutionUpdateAccepted(accepted) => {
                Self::WorkflowExecutionUpdateAccepted(accepted.into())
            }
            Model::WorkflowExecutionUpdateCompleted(completed) => {
                Self::WorkflowExecutionUpdateCompleted(Box::new((*completed).into()))
            }
            Model::WorkflowExecutionCompleted { result } => {
                let (result, result_base64) = payload::embed(&result);
                Self::WorkflowExecutionCompleted(WorkflowExecutionCompleted {
                    result,
                    result_base64,
                })
            }
            Model::WorkflowExecutionFailed { failure, retry_state: state, new_run_id } => {
                Self::WorkflowExecutionFailed(WorkflowExecutionFailed {
                    failure: failure.into(),
                    retry_state: retry_state(state),
                    new_run_id,
                })
            }
            Model::WorkflowExecutionTimedOut(event) => {
                Self::WorkflowExecutionTimedOut(event.into())
            }
            Model::WorkflowExecutionDelayEnded {} => {
                Self::WorkflowExecutionDelayEnded(WorkflowExecutionDelayEnded {})
            }
            Model::WorkflowExecutionReset(event) => Self::WorkflowExecutionReset(event.into()),
            Model::UpsertWorkflowSearchAttributes(event) => {
                Self::UpsertWorkflowSearchAttributes(event.into())
            }
            Model::WorkflowTagsModified(event) => Self::WorkflowTagsModified(event.into()),
            Model::WorkflowExecutionTagsUpdated(event) => {
                Self::WorkflowExecutionTagsUpdated(event.into())
            }
            Model::WorkflowPropertiesModified(event) => {
                Self::WorkflowPropertiesModified(event.into())
            }
            Model::WorkflowExecutionCanceled { details } => {
                Self::WorkflowExecutionCanceled(WorkflowExecutionCanceled { details })
            }
            Model::WorkflowExecutionTerminated { reason, new_run_id } => {
                let terminated = WorkflowExecutionTerminated { reason, new_run_id };
                Self::WorkflowExecutionTerminated(terminated)
            }
            Model::WorkflowExecutionContinuedAsNew {
                new_run_id,
                workflow_type,
                input,
                options,
            } => {
                let (input, input_base64) = payload::embed(&input);
                Self::WorkflowExecutionContinuedAsNew(WorkflowExecutionContinuedAsNew {
                    new_run_id,
                    workflow_type,
                    input,
                    input_base64,
                    options: continuation(*options),
                })
            }
            Model::WorkflowTaskFailed { code, message } => {
                Self::WorkflowTaskFailed(WorkflowTaskFailed { code, message })
            }
            Model::ActivityTaskScheduled { operation_id, activity_type, input, options } => {
                let (input, input_base64) = payload::embed(&input);
                Self::ActivityTaskScheduled(Box::new(ActivityTaskScheduled {
                    operation_id,
                    activity_type,
                    input,
                    input_base64,
                    start_to_close_timeout_seconds: options.start_to_close_timeout.as_secs_f64(),
                    schedule_to_close_timeout_seconds: options
                        .schedule_to_close_timeout
                        .map(|timeout| timeout.as_secs_f64()),
                    schedule_to_start_timeout_seconds: options
                        .schedule_to_start_timeout
                        .map(|timeout| timeout.as_secs_f64()),
                    heartbeat_timeout_seconds: options
                        .heartbeat_timeout
                        .map(|timeout| timeout.as_secs_f64()),
                    retry_policy: options.retry.into(),
                    task_queue: options.task_queue.map(TaskPlacement::from),
                    module: options.module.map(|module| NamedModule::from(*module)),
                }))
            }
            Model::ActivityTaskStarted { scheduled_event_id, attempt, open } => {
                let asynchronous = open.is_some();
                Self::ActivityTaskStarted(ActivityTaskStarted {
                    scheduled_event_id,
                    attempt,
                    asynchronous,
                })
            }
            Model::ActivityTaskCompleted { scheduled_event_id, operation_id, attempt, result } => {
                let (result, result_base64) = payload::embed(&result);
                Self::ActivityTaskCompleted(ActivityTaskCompleted {
                    scheduled_event_id,
                    operation_id,
                    attempt,
                    result,
                    result_base64,
                })
            }
            Model::ActivityTaskFailed {
                scheduled_event_id,
                operation_id,
                attempt,
                failure,
                retry_state,
            } => Self::ActivityTaskFailed(ActivityTaskFailed {
                scheduled_event_id,
                operation_id,
                attempt,
                failure: failure.into(),
                retry_state: retry_state.into(),
            }),
            Model::ActivityTaskTimedOut {
                scheduled_event_id,
                operation_id,
                attempt,
                timeout_type,
                last_failure,
            } => Self::ActivityTaskTimedOut(ActivityTaskTimedOut {
                scheduled_event_id,
                operation_id,
                attempt,
                timeout_type: timeout_type.into(),
                last_failure: last_failure.map(Failure::from),
            }),
            Model::ActivityTaskCancelRequested(request) => {
                Self::ActivityTaskCancelRequested(request.into())
            }
            Model::ActivityTaskPaused(paused) => Self::ActivityTaskPaused(paused.into()),
            Model::ActivityTaskUnpaused(unpaused) => Self::ActivityTaskUnpaused(unpaused.into()),
            Model::ActivityTaskReset(reset) => Self::ActivityTaskReset(reset.into()),
            Model::ActivityTaskCanceled { scheduled_event_id, operation_id, failure } => {
                Self::ActivityTaskCanceled(ActivityTaskCanceled {
                    scheduled_event_id,
                    operation_id,
                    failure: failure.map(Failure::from),
                })
            }
            Model::TimerStarted { operation_id, fire_at } => {
                Self::TimerStarted(TimerStarted { operation_id, fire_at })
            }
            Model::TimerFired { started_event_id, operation_id } => {
                Self::TimerFired(TimerEnded { started_event_id, operation_id })
            }
            Model::TimerCanceled { started_event_id, operation_id } => {
                Self::TimerCanceled(TimerEnded { started_event_id, operation_id })
            }
            Model::MarkerRecorded(marker) => Self::MarkerRecorded(marker.into()),
            Model::WorkflowExecutionOptionsUpdated(options) => {
                Self::WorkflowExecutionOptionsUpdated(options.into())
            }
            Model::StartChildWorkflowExecutionInitiated(it) => {
                Self::StartChildWorkflowExecutionInitiated(Box::new((*it).into()))
            }
            Model::StartChildWorkflowExecutionFailed(it) => {
                Self::StartChildWorkflowExecutionFailed(it.into())
            }
            Model::ChildWorkflowExecutionStarted(it) => {
                Self::ChildWorkflowExecutionStarted(it.into())
            }
            Model::ChildWorkflowExecutionCompleted(it) => {
                Self::ChildWorkflowExecutionCompleted(it.into())
            }
            Model::ChildWorkflowExecutionFailed(it) => {
                Self::ChildWorkflowExecutionFailed(it.into())
            }
            Model::ChildWorkflowExecutionCanceled(it) => {
                Self::ChildWorkflowExecutionCanceled(it.into())
            }
            Model::ChildWorkflowExecutionTimedOut(it) => {
                Self::ChildWorkflowExecutionTimedOut(it.into())
            }
            Model::ChildWorkflowExecutionTerminated(it) => {
                Self::ChildWorkflowExecutionTerminated(it.into())
            }
            Model::SignalExternalWorkflowExecutionInitiated(it) => {
                Self::SignalExternalWorkflowExecutionInitiated(Box::new((*it).into()))
            }
            Model::ExternalWorkflowExecutionSignaled(it) => {
                Self::ExternalWorkflowExecutionSignaled(it.into())
            }
            Model::SignalExternalWorkflowExecutionFailed(it) => {
                Self::SignalExternalWorkflowExecutionFailed(it.into())
            }
            Model::RequestCancelExternalWorkflowExecutionInitiated(it) => {
                Self::RequestCancelExternalWorkflowExecutionInitiated(Box::new((*it).into()))
            }
            Model::ExternalWorkflowExecutionCancelRequested(it) => {
                Self::ExternalWorkflowExecutionCancelRequested(it.into())
            }
            Model::RequestCancelExternalWorkflowExecutionFailed(it) => {
                Self::RequestCancelExternalWorkflowExecutionFailed(it.into())
            }
        }
    }
}
