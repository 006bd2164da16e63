//! The one table of what events are to a run and its guest. All that depends on it,
//! in any crate, asks here; an event that is added does not compile without a role.

use super::EventAttributes;
use crate::ids::OperationId;

/// What an event is to a run and its guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is delivered to the guest, which runs for it.
    Input,
    /// It is delivered to the guest, and records that the guest took it on: an input
    /// and a command in one.
    AcceptedInput,
    /// It records what the guest asked for, and is matched with what the guest asks
    /// for on replay.
    Command,
    /// It is a command, and ends the run.
    ClosingCommand,
    /// It ends the run from outside, and the guest never knows.
    ClosedFromOutside,
    /// The guest runs for the first time.
    FirstActivation,
    /// What the guest did since its last input is not part of the history. It does it
    /// again, before it is told of the inputs that follow.
    Interruption,
    /// The guest has nothing to do with it.
    Note,
}

impl EventAttributes {
    /// What the event is to a run and its guest.
    pub fn role(&self) -> Role {
        match self {
            Self::WorkflowExecutionStarted(_)
            | Self::WorkflowExecutionCancelRequested { .. }
            | Self::WorkflowExecutionSignaled { .. }
            | Self::ActivityTaskCompleted { .. }
            | Self::ActivityTaskFailed { .. }
            | Self::ActivityTaskTimedOut { .. }
            | Self::ActivityTaskCanceled { failure: Some(_), .. }
            | Self::TimerFired { .. }
            | Self::StartChildWorkflowExecutionFailed(_)
            | Self::ChildWorkflowExecutionStarted(_)
            | Self::ChildWorkflowExecutionCompleted(_)
            | Self::ChildWorkflowExecutionFailed(_)
            | Self::ChildWorkflowExecutionCanceled(_)
            | Self::ChildWorkflowExecutionTimedOut(_)
            | Self::ChildWorkflowExecutionTerminated(_)
            | Self::ExternalWorkflowExecutionSignaled(_)
            | Self::SignalExternalWorkflowExecutionFailed(_)
            | Self::ExternalWorkflowExecutionCancelRequested(_)
            | Self::RequestCancelExternalWorkflowExecutionFailed(_) => Role::Input,
            Self::WorkflowExecutionUpdateAccepted(_) => Role::AcceptedInput,
            Self::WorkflowExecutionUpdateCompleted(_)
            | Self::UpsertWorkflowSearchAttributes(_)
            | Self::WorkflowPropertiesModified(_)
            | Self::WorkflowTagsModified(_)
            | Self::ActivityTaskScheduled { .. }
            | Self::ActivityTaskCanceled { failure: None, .. }
            | Self::ActivityTaskCancelRequested(_)
            | Self::TimerStarted { .. }
            | Self::TimerCanceled { .. }
            | Self::MarkerRecorded(_)
            | Self::StartChildWorkflowExecutionInitiated(_)
            | Self::SignalExternalWorkflowExecutionInitiated(_)
            | Self::RequestCancelExternalWorkflowExecutionInitiated(_) => Role::Command,
            Self::WorkflowExecutionCompleted { .. }
            | Self::WorkflowExecutionFailed { .. }
            | Self::WorkflowExecutionCanceled { .. }
            | Self::WorkflowExecutionContinuedAsNew { .. } => Role::ClosingCommand,
            Self::WorkflowExecutionTerminated { .. } | Self::WorkflowExecutionTimedOut(_) => {
                Role::ClosedFromOutside
            }
            Self::WorkflowExecutionDelayEnded {} => Role::FirstActivation,
            Self::WorkflowTaskFailed { .. } | Self::WorkflowExecutionReset(_) => Role::Interruption,
            Self::ActivityTaskStarted { .. }
            | Self::ActivityTaskPaused(_)
            | Self::ActivityTaskUnpaused(_)
            | Self::ActivityTaskReset(_)
            | Self::WorkflowExecutionOptionsUpdated(_)
            | Self::WorkflowExecutionTagsUpdated(_) => Role::Note,
        }
    }

    /// The operations of the guest that the event ends, as long as they are pending.
    pub fn ended_operations(&self) -> [Option<OperationId>; 2] {
        let ended = match self {
            Self::ActivityTaskCompleted { operation_id, .. }
            | Self::ActivityTaskFailed { operation_id, .. }
            | Self::ActivityTaskTimedOut { operation_id, .. }
            | Self::ActivityTaskCanceled { operation_id, failure: Some(_), .. }
            | Self::TimerFired { operation_id, .. } => *operation_id,
            Self::StartChildWorkflowExecutionFailed(e) => {
                return [Some(e.started_operation_id), Some(e.closed_operation_id)];
            }
            Self::ChildWorkflowExecutionStarted(e) => e.operation_id,
            Self::ChildWorkflowExecutionCompleted(e) => e.operation_id,
            Self::ChildWorkflowExecutionFailed(e) => e.operation_id,
            Self::ChildWorkflowExecutionCanceled(e) => e.operation_id,
            Self::ChildWorkflowExecutionTimedOut(e) => e.operation_id,
            Self::ChildWorkflowExecutionTerminated(e) => e.operation_id,
            Self::ExternalWorkflowExecutionSignaled(e) => e.operation_id,
            Self::SignalExternalWorkflowExecutionFailed(e) => e.operation_id,
            // A request to a child does not end the operation, the child does.
            Self::ExternalWorkflowExecutionCancelRequested(e)
                if e.child_initiated_event_id.is_none() =>
            {
                e.operation_id
            }
            Self::RequestCancelExternalWorkflowExecutionFailed(e)
                if e.child_initiated_event_id.is_none() =>
            {
                e.operation_id
            }
            Self::ExternalWorkflowExecutionCancelRequested(_)
            | Self::RequestCancelExternalWorkflowExecutionFailed(_)
            | Self::WorkflowExecutionStarted(_)
            | Self::WorkflowExecutionCancelRequested { .. }
            | Self::WorkflowExecutionSignaled { .. }
            | Self::WorkflowExecutionUpdateAccepted(_)
            | Self::WorkflowExecutionUpdateCompleted(_)
            | Self::WorkflowExecutionCompleted { .. }
            | Self::WorkflowExecutionFailed { .. }
            | Self::WorkflowExecutionCanceled { .. }
            | Self::WorkflowExecutionTerminated { .. }
            | Self::WorkflowExecutionContinuedAsNew { .. }
            | Self::WorkflowExecutionTimedOut(_)
            | Self::WorkflowExecutionDelayEnded {}
            | Self::WorkflowExecutionReset(_)
            | Self::UpsertWorkflowSearchAttributes(_)
            | Self::WorkflowPropertiesModified(_)
            | Self::WorkflowTagsModified(_)
            | Self::WorkflowTaskFailed { .. }
            | Self::ActivityTaskScheduled { .. }
            | Self::ActivityTaskStarted { .. }
            | Self::ActivityTaskCanceled { failure: None, .. }
            | Self::ActivityTaskCancelRequested(_)
            | Self::ActivityTaskPaused(_)
            | Self::ActivityTaskUnpaused(_)
            | Self::ActivityTaskReset(_)
            | Self::TimerStarted { .. }
            | Self::TimerCanceled { .. }
            | Self::MarkerRecorded(_)
            | Self::WorkflowExecutionOptionsUpdated(_)
            | Self::WorkflowExecutionTagsUpdated(_)
            | Self::StartChildWorkflowExecutionInitiated(_)
            | Self::SignalExternalWorkflowExecutionInitiated(_)
            | Self::RequestCancelExternalWorkflowExecutionInitiated(_) => return [None, None],
        };
        [Some(ended), None]
    }

    /// True if it is the last event of a history.
    pub fn is_closing(&self) -> bool {
        matches!(self.role(), Role::ClosingCommand | Role::ClosedFromOutside)
    }

    /// True if it records what a guest did.
    pub fn is_command(&self) -> bool {
        matches!(self.role(), Role::AcceptedInput | Role::Command | Role::ClosingCommand)
    }

    /// True if the guest must run for it.
    pub fn wakes_guest(&self) -> bool {
        matches!(self.role(), Role::Input | Role::AcceptedInput | Role::FirstActivation)
    }
}
