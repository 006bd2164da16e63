//! What a run has to say to runs that it did not start, and to its children.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::ids::{EventId, OperationId, RunId, SignalName, WorkflowId};
use crate::payload::Payload;

/// Command: another run is to be sent a signal. After a crash it is sent again,
/// with the same request id, unless an event below says what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalExternalWorkflowExecutionInitiated {
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// Who is to get it.
    pub workflow_id: WorkflowId,
    /// A certain run; none means the open one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// What it is about.
    pub signal_name: SignalName,
    /// What it says.
    #[serde(skip)]
    pub input: Payload,
}

/// Input: another run has recorded a signal of this one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExternalWorkflowExecutionSignaled {
    /// Its `SignalExternalWorkflowExecutionInitiated`.
    pub initiated_event_id: EventId,
    /// The guest's name for it.
    pub operation_id: OperationId,
}

/// Input: a signal could not be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalExternalWorkflowExecutionFailed {
    /// Its `SignalExternalWorkflowExecutionInitiated`.
    pub initiated_event_id: EventId,
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// Why.
    pub failure: Failure,
}

/// Command: another run is to be asked to cancel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestCancelExternalWorkflowExecutionInitiated {
    /// The guest's name for it; of a child, that for its end.
    pub operation_id: OperationId,
    /// Who is to be asked.
    pub workflow_id: WorkflowId,
    /// A certain run; none means the open one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// Why, for people.
    pub reason: String,
    /// If it is a child: its `StartChildWorkflowExecutionInitiated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_initiated_event_id: Option<EventId>,
    /// The first run of a child of this run, or of one that it has continued: whichever run
    /// is that child by now is meant, and no other run of the workflow id. Only built-in
    /// workflows say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_run_id: Option<RunId>,
    /// It is not asked, but terminated. Only built-in workflows do that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub terminate: bool,
}

/// Input: another run has recorded a request of this one to cancel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExternalWorkflowExecutionCancelRequested {
    /// Its `RequestCancelExternalWorkflowExecutionInitiated`.
    pub initiated_event_id: EventId,
    /// The guest's name for it; of a child, that for its end.
    pub operation_id: OperationId,
    /// If it is a child: its `StartChildWorkflowExecutionInitiated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_initiated_event_id: Option<EventId>,
}

/// Input: another run could not be asked to cancel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestCancelExternalWorkflowExecutionFailed {
    /// Its `RequestCancelExternalWorkflowExecutionInitiated`.
    pub initiated_event_id: EventId,
    /// The guest's name for it; of a child, that for its end.
    pub operation_id: OperationId,
    /// If it is a child: its `StartChildWorkflowExecutionInitiated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_initiated_event_id: Option<EventId>,
    /// Why.
    pub failure: Failure,
}
