//! What a run has going on with other runs: its children, and requests to runs
//! that it did not start.

use std::collections::BTreeMap;

use dacapo_model::event::{
    EventAttributes, HistoryEvent, RequestCancelExternalWorkflowExecutionInitiated,
    SignalExternalWorkflowExecutionInitiated, StartChildWorkflowExecutionInitiated,
};
use dacapo_model::ids::{EventId, OperationId, RunId, SignalName, WorkflowId};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;

use super::{IllegalEvent, RunState, illegal};

/// Children by their `StartChildWorkflowExecutionInitiated`.
pub type Children = BTreeMap<EventId, PendingChild>;

/// Requests to other runs, by the events that asked for them.
pub type Externals = BTreeMap<EventId, PendingExternal>;

/// A child that has not closed yet.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingChild {
    /// How it was asked for.
    pub initiated: StartChildWorkflowExecutionInitiated,
    /// When.
    pub initiated_at: Timestamp,
    /// True once it is known that it has started.
    pub started: bool,
    /// The request to it to cancel, if there is one that was not recorded as
    /// delivered: an entry of [`RunState::externals`].
    pub cancel: Option<EventId>,
    /// True once it was asked to cancel, whether or not that was delivered.
    pub cancel_requested: bool,
}

/// A request to another run that is not known to have been delivered.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingExternal {
    /// The guest's name for it; of a child, that for its end.
    pub operation_id: OperationId,
    /// Who is to get it.
    pub workflow_id: WorkflowId,
    /// A certain run; none means the open one.
    pub run_id: Option<RunId>,
    /// The first run of a child: whichever run is that child by now.
    pub first_run_id: Option<RunId>,
    /// What it is.
    pub request: ExternalRequest,
    /// When it was asked for.
    pub initiated_at: Timestamp,
}

/// What another run is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum ExternalRequest {
    /// To take a signal.
    Signal {
        /// What it is about.
        name: SignalName,
        /// What it says.
        input: Payload,
    },
    /// To cancel.
    Cancel {
        /// Why, for people.
        reason: String,
    },
    /// Nothing: it is terminated.
    Terminate {
        /// Why, for people.
        reason: String,
    },
    /// To cancel, if it is the child.
    CancelChild {
        /// Why, for people.
        reason: String,
        /// Its `StartChildWorkflowExecutionInitiated`.
        child: EventId,
    },
}

impl RunState {
    pub(super) fn apply_child_initiated(
        &mut self,
        event: &HistoryEvent,
        initiated: &StartChildWorkflowExecutionInitiated,
    ) -> Result<(), IllegalEvent> {
        if initiated.closed_operation_id <= initiated.started_operation_id {
            return Err(illegal(event, "operations are numbered in order"));
        }
        self.begin_operation(event, initiated.started_operation_id)?;
        self.begin_operation(event, initiated.closed_operation_id)?;
        let child = PendingChild {
            initiated: initiated.clone(),
            initiated_at: event.time,
            started: false,
            cancel: None,
            cancel_requested: false,
        };
        self.children.insert(event.id, child);
        Ok(())
    }

    pub(super) fn apply_child_started(
        &mut self,
        event: &HistoryEvent,
        initiated_event_id: EventId,
        operation: OperationId,
    ) -> Result<(), IllegalEvent> {
        match self.children.get_mut(&initiated_event_id) {
            Some(child) if !child.started => child.started = true,
            _ => return Err(illegal(event, "it names no child that is to start")),
        }
        self.end_operation(event, operation, initiated_event_id)
    }

    /// A child ended, or could not start: then the wait for its start ends, too.
    pub(super) fn apply_child_closed(
        &mut self,
        event: &HistoryEvent,
        initiated_event_id: EventId,
        start: Option<OperationId>,
        end: OperationId,
    ) -> Result<(), IllegalEvent> {
        let Some(child) = self.children.get(&initiated_event_id) else {
            return Err(illegal(event, "it names no pending child"));
        };
        if child.started == start.is_some() || start == Some(end) {
            return Err(illegal(event, "a child starts, and then ends"));
        }
        let cancel = child.cancel;
        if self.operation_event(end) != Some(initiated_event_id) {
            return Err(illegal(event, "it does not end the operation that it names"));
        }
        if let Some(start) = start {
            self.end_operation(event, start, initiated_event_id)?;
        }
        self.end_operation(event, end, initiated_event_id)?;
        self.children.remove(&initiated_event_id);
        if let Some(cancel) = cancel {
            self.externals.remove(&cancel);
        }
        Ok(())
    }

    pub(super) fn apply_signal_initiated(
        &mut self,
        event: &HistoryEvent,
        initiated: &SignalExternalWorkflowExecutionInitiated,
    ) -> Result<(), IllegalEvent> {
        self.begin_operation(event, initiated.operation_id)?;
        let external = PendingExternal {
            operation_id: initiated.operation_id,
            workflow_id: initiated.workflow_id.clone(),
            run_id: initiated.run_id,
            first_run_id: None,
            request: ExternalRequest::Signal {
                name: initiated.signal_name.clone(),
                input: initiated.input.clone(),
            },
            initiated_at: event.time,
        };
        self.externals.insert(event.id, external);
        Ok(())
    }

    pub(super) fn apply_cancel_initiated(
        &mut self,
        event: &HistoryEvent,
        initiated: &RequestCancelExternalWorkflowExecutionInitiated,
    ) -> Result<(), IllegalEvent> {
        let reason = initiated.reason.clone();
        let request = match initiated.child_initiated_event_id {
            None => {
                self.begin_operation(event, initiated.operation_id)?;
                match initiated.terminate {
                    true => ExternalRequest::Terminate { reason },
                    false => ExternalRequest::Cancel { reason },
                }
            }
            Some(id) => {
                let operation = initiated.operation_id;
                match self.children.get_mut(&id) {
                    Some(child)
                        if child.initiated.closed_operation_id == operation
                            && !child.cancel_requested =>
                    {
                        child.cancel = Some(event.id);
                        child.cancel_requested = true;
                    }
                    _ => return Err(illegal(event, "it names no child that was not asked yet")),
                }
                ExternalRequest::CancelChild { reason, child: id }
            }
        };
        let external = PendingExternal {
            operation_id: initiated.operation_id,
            workflow_id: initiated.workflow_id.clone(),
            run_id: initiated.run_id,
            first_run_id: initiated.first_run_id,
            request,
            initiated_at: event.time,
        };
        self.externals.insert(event.id, external);
        Ok(())
    }

    /// A request was delivered, or can't be.
    pub(super) fn apply_external_over(
        &mut self,
        event: &HistoryEvent,
        initiated_event_id: EventId,
        operation: OperationId,
    ) -> Result<(), IllegalEvent> {
        let Some(external) = self.externals.get(&initiated_event_id) else {
            return Err(illegal(event, "it names no pending request"));
        };
        let is_signal = matches!(external.request, ExternalRequest::Signal { .. });
        let says_signal = matches!(
            event.attributes,
            EventAttributes::ExternalWorkflowExecutionSignaled(_)
                | EventAttributes::SignalExternalWorkflowExecutionFailed(_)
        );
        if is_signal != says_signal || external.operation_id != operation {
            return Err(illegal(event, "it does not end the request that it names"));
        }
        match external.request {
            ExternalRequest::CancelChild { child, .. } => {
                if let Some(child) = self.children.get_mut(&child) {
                    child.cancel = None;
                }
            }
            _ => self.end_operation(event, operation, initiated_event_id)?,
        }
        self.externals.remove(&initiated_event_id);
        Ok(())
    }
}
