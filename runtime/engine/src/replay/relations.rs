//! Children and requests to other runs, from the guest's side.

use std::collections::BTreeMap;

use dacapo_model::command::{CancelExternal, Command, SignalExternal, StartChild};
use dacapo_model::event::{ChildCancellationType, ChildOptions, EventAttributes};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{OperationId, RunId, SignalName, TypeName, WorkflowId};
use dacapo_model::payload::Payload;
use serde_json::json;

use super::operation::{Operation, cancelled};
use super::{Arrival, CallError, Cursor};

/// Operations that are given up in another manner than activities and timers.
#[derive(Debug, Default)]
pub(super) struct Relations(BTreeMap<OperationId, Kind>);

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Giving it up changes nothing outside of the guest: the start of a child,
    /// or a request to another run, which is on its way.
    Unrecorded,
    /// The end of a child.
    Child { cancellation: ChildCancellationType, requested: bool },
}

/// What happens when the guest gives an operation up.
pub(super) enum GivingUp {
    /// It is over, and that is recorded.
    Recorded,
    /// It is over for the guest only.
    Unrecorded,
    /// It is recorded that the guest gave it up, but it goes on.
    GoesOn,
    /// The same, and it was recorded before.
    GoesOnAlready,
}

impl Cursor {
    /// Starts a child. Answers the operations that end with its start and with
    /// its end.
    pub fn start_child(
        &mut self,
        workflow_type: TypeName,
        input: Payload,
        options: ChildOptions,
    ) -> Result<(OperationId, OperationId), CallError> {
        let started_operation_id = self.new_operation();
        let closed_operation_id = self.new_operation();
        let cancellation = options.cancellation_type;
        self.emit(Command::StartChild(Box::new(StartChild {
            started_operation_id,
            closed_operation_id,
            workflow_type,
            input,
            options,
        })))?;
        self.relations.0.insert(started_operation_id, Kind::Unrecorded);
        let child = Kind::Child { cancellation, requested: false };
        self.relations.0.insert(closed_operation_id, child);
        Ok((started_operation_id, closed_operation_id))
    }

    /// Sends another run a signal.
    pub fn signal_external(
        &mut self,
        workflow_id: WorkflowId,
        run_id: Option<RunId>,
        signal_name: SignalName,
        input: Payload,
    ) -> Result<OperationId, CallError> {
        let operation_id = self.new_operation();
        let signal = SignalExternal { operation_id, workflow_id, run_id, signal_name, input };
        self.emit(Command::SignalExternal(Box::new(signal)))?;
        self.relations.0.insert(operation_id, Kind::Unrecorded);
        Ok(operation_id)
    }

    /// Asks another run to cancel.
    pub fn cancel_external(
        &mut self,
        workflow_id: WorkflowId,
        run_id: Option<RunId>,
        reason: String,
    ) -> Result<OperationId, CallError> {
        self.end_external(workflow_id, [run_id, None], reason, false)
    }

    /// Terminates another run.
    pub fn terminate_external(
        &mut self,
        workflow_id: WorkflowId,
        reason: String,
    ) -> Result<OperationId, CallError> {
        self.end_external(workflow_id, [None, None], reason, true)
    }

    /// Asks whichever run a child is by now to cancel, or terminates it. The child may be one
    /// of a run that this one has continued.
    pub fn end_child(
        &mut self,
        workflow_id: WorkflowId,
        first_run_id: RunId,
        reason: String,
        terminate: bool,
    ) -> Result<OperationId, CallError> {
        self.end_external(workflow_id, [None, Some(first_run_id)], reason, terminate)
    }

    fn end_external(
        &mut self,
        workflow_id: WorkflowId,
        [run_id, first_run_id]: [Option<RunId>; 2],
        reason: String,
        terminate: bool,
    ) -> Result<OperationId, CallError> {
        let operation_id = self.new_operation();
        let request =
            CancelExternal { operation_id, workflow_id, run_id, first_run_id, reason, terminate };
        self.emit(Command::CancelExternal(Box::new(request)))?;
        self.relations.0.insert(operation_id, Kind::Unrecorded);
        Ok(operation_id)
    }

    /// Whether the outcome of an operation has not come yet, or not been taken. The
    /// operation may have been given up.
    pub fn is_pending(&self, operation_id: OperationId) -> bool {
        let index = usize::try_from(operation_id.0).ok().and_then(|id| id.checked_sub(1));
        let operation = index.and_then(|index| self.operations.get(index));
        operation.is_some_and(|operation| !matches!(operation, Operation::Over))
    }

    /// Decides what happens as the guest gives up a pending operation, and notes it.
    pub(super) fn giving_up(&mut self, operation_id: OperationId) -> GivingUp {
        match self.relations.0.get_mut(&operation_id) {
            None => GivingUp::Recorded,
            Some(Kind::Unrecorded) => GivingUp::Unrecorded,
            Some(Kind::Child { cancellation, requested }) => match cancellation {
                ChildCancellationType::Abandon => GivingUp::Unrecorded,
                ChildCancellationType::TryCancel => GivingUp::Recorded,
                ChildCancellationType::WaitCancellationCompleted
                | ChildCancellationType::WaitCancellationRequested => {
                    if std::mem::replace(requested, true) {
                        GivingUp::GoesOnAlready
                    } else {
                        GivingUp::GoesOn
                    }
                }
            },
        }
    }

    /// Delivers how an operation ended that is about a child or another run.
    pub(super) fn deliver_relation(&mut self, attributes: EventAttributes) {
        match attributes {
            EventAttributes::StartChildWorkflowExecutionFailed(failed) => {
                let failure = child_failure("could not start", failed.failure);
                self.end(failed.started_operation_id, Err(failure.clone()));
                self.end(failed.closed_operation_id, Err(failure));
            }
            EventAttributes::ChildWorkflowExecutionStarted(started) => {
                let run = json!({
                    "workflow_id": started.workflow_id.as_str(),
                    "run_id": started.run_id.to_string(),
                });
                self.end(started.operation_id, Ok(Payload::new(run.to_string())));
            }
            EventAttributes::ChildWorkflowExecutionCompleted(completed) => {
                self.end(completed.operation_id, Ok(completed.result));
            }
            EventAttributes::ChildWorkflowExecutionFailed(failed) => {
                let failure = child_failure("failed", failed.failure);
                self.end(failed.operation_id, Err(failure));
            }
            EventAttributes::ChildWorkflowExecutionCanceled(canceled) => {
                let cause = Failure::new(FailureKind::Cancelled, "Cancelled", canceled.details);
                self.end(canceled.operation_id, Err(child_failure("was cancelled", cause)));
            }
            EventAttributes::ChildWorkflowExecutionTimedOut(timed_out) => {
                let message = "the child workflow ran out of its time";
                let cause = Failure::new(FailureKind::Timeout, "WorkflowTimeout", message);
                self.end(timed_out.operation_id, Err(child_failure("timed out", cause)));
            }
            EventAttributes::ChildWorkflowExecutionTerminated(terminated) => {
                let cause = Failure::new(FailureKind::Terminated, "Terminated", terminated.reason);
                self.end(terminated.operation_id, Err(child_failure("was terminated", cause)));
            }
            EventAttributes::ExternalWorkflowExecutionSignaled(signaled) => {
                self.end(signaled.operation_id, Ok(Payload::default()));
            }
            EventAttributes::SignalExternalWorkflowExecutionFailed(failed) => {
                self.end(failed.operation_id, Err(failed.failure));
            }
            EventAttributes::ExternalWorkflowExecutionCancelRequested(requested) => {
                if requested.child_initiated_event_id.is_none() {
                    self.end(requested.operation_id, Ok(Payload::default()));
                } else if self.ends_once_asked(requested.operation_id) {
                    self.end(requested.operation_id, Err(cancelled()));
                }
            }
            // A child that can't be asked has closed: its end says how.
            EventAttributes::RequestCancelExternalWorkflowExecutionFailed(failed)
                if failed.child_initiated_event_id.is_none() =>
            {
                self.end(failed.operation_id, Err(failed.failure));
            }
            _ => {}
        }
    }

    fn ends_once_asked(&self, operation_id: OperationId) -> bool {
        matches!(
            self.relations.0.get(&operation_id),
            Some(Kind::Child {
                cancellation: ChildCancellationType::WaitCancellationRequested,
                requested: true,
            })
        )
    }

    /// The guest has taken the outcome of an operation.
    pub(super) fn forget_relation(&mut self, operation_id: OperationId) {
        if !self.relations.0.is_empty() {
            self.relations.0.remove(&operation_id);
        }
    }

    /// Gives an operation its outcome, unless the guest has given it up.
    pub(super) fn end(&mut self, operation_id: OperationId, outcome: Result<Payload, Failure>) {
        // No guest knows the timer of its wait. Only a damaged history says that it ended so.
        if self.deadline.is_some_and(|held| held.timer == operation_id) {
            return;
        }
        if let Some(operation @ (Operation::Pending | Operation::Ended)) =
            self.operation_mut(operation_id)
        {
            *operation = Operation::Ready(Box::new(outcome));
            self.arrivals.push_back(Arrival::Outcome(operation_id));
        }
    }
}

fn child_failure(what: &str, cause: Failure) -> Failure {
    let message = format!("the child workflow {what}: {}", cause.info.message);
    Failure::new(FailureKind::Child, "ChildWorkflowFailure", message).caused_by(cause)
}
