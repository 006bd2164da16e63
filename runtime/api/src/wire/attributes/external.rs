//! What events about requests to other runs hold.

use dacapo_model::event;
use dacapo_model::ids::{EventId, OperationId, RunId, SignalName, WorkflowId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::failure::Failure;
use crate::wire::payload::{self, RawJson};

/// A signal to another run.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignalExternalWorkflowExecutionInitiated {
    /// The workflow's name for it.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// Who is to get it.
    #[schema(value_type = String)]
    workflow_id: WorkflowId,
    /// A certain run; absent if the open one is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    run_id: Option<RunId>,
    /// What it is about.
    #[schema(value_type = String)]
    signal_name: SignalName,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_base64: Option<String>,
}

impl From<event::SignalExternalWorkflowExecutionInitiated>
    for SignalExternalWorkflowExecutionInitiated
{
    fn from(event: event::SignalExternalWorkflowExecutionInitiated) -> Self {
        let (input, input_base64) = payload::embed(&event.input);
        Self {
            operation_id: event.operation_id,
            workflow_id: event.workflow_id,
            run_id: event.run_id,
            signal_name: event.signal_name,
            input,
            input_base64,
        }
    }
}

/// A signal that another run has recorded.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExternalWorkflowExecutionSignaled {
    /// Its `SignalExternalWorkflowExecutionInitiated`.
    #[schema(value_type = u64)]
    initiated_event_id: EventId,
    /// The workflow's name for it.
    #[schema(value_type = u32)]
    operation_id: OperationId,
}

impl From<event::ExternalWorkflowExecutionSignaled> for ExternalWorkflowExecutionSignaled {
    fn from(event: event::ExternalWorkflowExecutionSignaled) -> Self {
        Self { initiated_event_id: event.initiated_event_id, operation_id: event.operation_id }
    }
}

/// A signal that could not be sent.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignalExternalWorkflowExecutionFailed {
    /// Its `SignalExternalWorkflowExecutionInitiated`.
    #[schema(value_type = u64)]
    initiated_event_id: EventId,
    /// The workflow's name for it.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// Why.
    failure: Failure,
}

impl From<event::SignalExternalWorkflowExecutionFailed> for SignalExternalWorkflowExecutionFailed {
    fn from(event: event::SignalExternalWorkflowExecutionFailed) -> Self {
        Self {
            initiated_event_id: event.initiated_event_id,
            operation_id: event.operation_id,
            failure: event.failure.into(),
        }
    }
}

/// A request to another run to cancel.
#[derive(Serialize, ToSchema)]
pub(crate) struct RequestCancelExternalWorkflowExecutionInitiated {
    /// The workflow's name for it; of a child, that for its end.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// Who is to get it.
    #[schema(value_type = String)]
    workflow_id: WorkflowId,
    /// A certain run; absent if the open one is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    run_id: Option<RunId>,
    /// Why, for people.
    reason: String,
    /// If it is a child: its `StartChildWorkflowExecutionInitiated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    child_initiated_event_id: Option<EventId>,
    /// The first run of a child: whichever run is that child by now is meant. A schedule says
    /// so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    first_run_id: Option<RunId>,
    /// True if it is not asked, but terminated: a schedule does that.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    terminate: bool,
}

impl From<event::RequestCancelExternalWorkflowExecutionInitiated>
    for RequestCancelExternalWorkflowExecutionInitiated
{
    fn from(event: event::RequestCancelExternalWorkflowExecutionInitiated) -> Self {
        Self {
            operation_id: event.operation_id,
            workflow_id: event.workflow_id,
            run_id: event.run_id,
            reason: event.reason,
            child_initiated_event_id: event.child_initiated_event_id,
            first_run_id: event.first_run_id,
            terminate: event.terminate,
        }
    }
}

/// A request to cancel that another run has recorded.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExternalWorkflowExecutionCancelRequested {
    /// Its `RequestCancelExternalWorkflowExecutionInitiated`.
    #[schema(value_type = u64)]
    initiated_event_id: EventId,
    /// The workflow's name for it; of a child, that for its end.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// If it is a child: its `StartChildWorkflowExecutionInitiated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    child_initiated_event_id: Option<EventId>,
}

impl From<event::ExternalWorkflowExecutionCancelRequested>
    for ExternalWorkflowExecutionCancelRequested
{
    fn from(event: event::ExternalWorkflowExecutionCancelRequested) -> Self {
        Self {
            initiated_event_id: event.initiated_event_id,
            operation_id: event.operation_id,
            child_initiated_event_id: event.child_initiated_event_id,
        }
    }
}

/// A request to cancel that could not be made.
#[derive(Serialize, ToSchema)]
pub(crate) struct RequestCancelExternalWorkflowExecutionFailed {
    /// Its `RequestCancelExternalWorkflowExecutionInitiated`.
    #[schema(value_type = u64)]
    initiated_event_id: EventId,
    /// The workflow's name for it; of a child, that for its end.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// If it is a child: its `StartChildWorkflowExecutionInitiated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    child_initiated_event_id: Option<EventId>,
    /// Why.
    failure: Failure,
}

impl From<event::RequestCancelExternalWorkflowExecutionFailed>
    for RequestCancelExternalWorkflowExecutionFailed
{
    fn from(event: event::RequestCancelExternalWorkflowExecutionFailed) -> Self {
        Self {
            initiated_event_id: event.initiated_event_id,
            operation_id: event.operation_id,
            child_initiated_event_id: event.child_initiated_event_id,
            failure: event.failure.into(),
        }
    }
}
