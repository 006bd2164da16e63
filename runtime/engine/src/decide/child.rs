//! Children of a run, and what a parent has to say to a run.

use dacapo_model::command::StartChild;
use dacapo_model::event::{
    ChildWorkflowExecutionCanceled, ChildWorkflowExecutionCompleted, ChildWorkflowExecutionFailed,
    ChildWorkflowExecutionStarted, ChildWorkflowExecutionTerminated,
    ChildWorkflowExecutionTimedOut, EventAttributes, ParentClosePolicy,
    RequestCancelExternalWorkflowExecutionInitiated, StartChildWorkflowExecutionFailed,
    StartChildWorkflowExecutionInitiated,
};
use dacapo_model::failure::Failure;
use dacapo_model::ids::{EventId, RequestId, RunId, WorkflowId};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use uuid::Uuid;

use super::{Input, Refusal, cancel, terminate};
use crate::state::RunState;
use crate::transition::{Effect, Transition};

/// How a child closed.
#[derive(Debug, Clone, PartialEq)]
pub enum ChildOutcome {
    /// With a result.
    Completed(Payload),
    /// With a failure.
    Failed(Failure),
    /// Because it was asked to.
    Canceled(String),
    /// Because it ran out of its time.
    TimedOut,
    /// From outside.
    Terminated(String),
}

/// What a parent tells a child of it.
#[derive(Debug, Clone, PartialEq)]
pub enum FromParent {
    /// It has closed: the parent close policy applies.
    Closed,
    /// It asks the child to cancel.
    Cancel {
        /// Why, for people.
        reason: String,
        /// By which a repeat is recognised.
        request_id: RequestId,
    },
}

/// Records that a child is to start.
pub(super) fn initiate(
    transition: &mut Transition,
    state: &mut RunState,
    run_id: RunId,
    command: StartChild,
    now: Timestamp,
) {
    let StartChild { started_operation_id, closed_operation_id, workflow_type, input, options } =
        command;
    let derived = || {
        WorkflowId::new(format!("{run_id}/{started_operation_id}"))
            .expect("a run id and a number make a valid workflow id")
    };
    let initiated = StartChildWorkflowExecutionInitiated {
        started_operation_id,
        closed_operation_id,
        workflow_type,
        workflow_id: options.workflow_id.clone().unwrap_or_else(derived),
        run_id: child_run_id(run_id, state.next_event_id),
        input,
        options,
    };
    let attributes = EventAttributes::StartChildWorkflowExecutionInitiated(Box::new(initiated));
    let initiated_event_id = transition.record(state, now, attributes);
    transition.effects.push(Effect::StartChild { initiated_event_id });
}

/// Derived, so that a repeat of the start makes the same run.
fn child_run_id(parent: RunId, initiated_event_id: EventId) -> RunId {
    RunId(Uuid::new_v5(&parent.0, format!("child {initiated_event_id}").as_bytes()))
}

/// Records that a child is to be asked to cancel. It can't be asked before it has
/// started: then [`started`] sees to it.
pub(super) fn request_cancel(
    transition: &mut Transition,
    state: &mut RunState,
    child_initiated_event_id: EventId,
    now: Timestamp,
) {
    let Some(child) = state.children.get(&child_initiated_event_id) else {
        return;
    };
    if child.cancel_requested {
        return;
    }
    let is_started = child.started;
    let initiated = RequestCancelExternalWorkflowExecutionInitiated {
        operation_id: child.initiated.closed_operation_id,
        workflow_id: child.initiated.workflow_id.clone(),
        run_id: None,
        reason: "its parent gave it up".to_owned(),
        child_initiated_event_id: Some(child_initiated_event_id),
    };
    let attributes =
        EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(Box::new(initiated));
    let initiated_event_id = transition.record(state, now, attributes);
    if is_started {
        transition.effects.push(Effect::ReachExternal { initiated_event_id });
    }
}

/// A child has started.
pub(super) fn started(
    state: &mut RunState,
    initiated_event_id: EventId,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    let child = state.children.get(&initiated_event_id).filter(|child| !child.started);
    let child = child.ok_or(Refusal::Stale)?;
    let cancel = child.cancel;
    let attributes =
        EventAttributes::ChildWorkflowExecutionStarted(ChildWorkflowExecutionStarted {
            initiated_event_id,
            operation_id: child.initiated.started_operation_id,
            workflow_id: child.initiated.workflow_id.clone(),
            run_id: child.initiated.run_id,
        });
    let mut transition = Transition::default();
    transition.record(state, now, attributes);
    if let Some(initiated_event_id) = cancel {
        transition.effects.push(Effect::ReachExternal { initiated_event_id });
    }
    Ok(transition)
}

/// A child can't start.
pub(super) fn start_failed(
    state: &mut RunState,
    initiated_event_id: EventId,
    failure: Failure,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    let child = state.children.get(&initiated_event_id).filter(|child| !child.started);
    let child = child.ok_or(Refusal::Stale)?;
    let attributes =
        EventAttributes::StartChildWorkflowExecutionFailed(StartChildWorkflowExecutionFailed {
            initiated_event_id,
            started_operation_id: child.initiated.started_operation_id,
            closed_operation_id: child.initiated.closed_operation_id,
            failure: failure.bounded(),
        });
    let mut transition = Transition::default();
    transition.record(state, now, attributes);
    Ok(transition)
}

/// What an input implies that has not been recorded, and must be before it: a
/// child that has closed has started.
pub fn implied(state: &RunState, input: &Input) -> Option<Input> {
    let Input::ChildClosed { initiated_event_id, .. } = input else {
        return None;
    };
    let child = state.children.get(initiated_event_id)?;
    (!child.started).then_some(Input::ChildStarted { initiated_event_id: *initiated_event_id })
}

/// A child has closed.
pub(super) fn closed(
    state: &mut RunState,
    initiated_event_id: EventId,
    outcome: ChildOutcome,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    let child = state.children.get(&initiated_event_id).filter(|child| child.started);
    let operation_id = child.ok_or(Refusal::Stale)?.initiated.closed_operation_id;
    let attributes =
        match outcome {
            ChildOutcome::Completed(result) => {
                EventAttributes::ChildWorkflowExecutionCompleted(ChildWorkflowExecutionCompleted {
                    initiated_event_id,
                    operation_id,
                    result,
                })
            }
            ChildOutcome::Failed(failure) => {
                EventAttributes::ChildWorkflowExecutionFailed(ChildWorkflowExecutionFailed {
                    initiated_event_id,
                    operation_id,
                    failure: failure.bounded(),
                })
            }
            ChildOutcome::Canceled(details) => {
                EventAttributes::ChildWorkflowExecutionCanceled(ChildWorkflowExecutionCanceled {
                    initiated_event_id,
                    operation_id,
                    details,
                })
            }
            ChildOutcome::TimedOut => {
                EventAttributes::ChildWorkflowExecutionTimedOut(ChildWorkflowExecutionTimedOut {
                    initiated_event_id,
                    operation_id,
                })
            }
            ChildOutcome::Terminated(reason) => EventAttributes::ChildWorkflowExecutionTerminated(
                ChildWorkflowExecutionTerminated { initiated_event_id, operation_id, reason },
            ),
        };
    let mut transition = Transition::default();
    transition.record(state, now, attributes);
    Ok(transition)
}

/// A parent tells this run something, if this is the child that it means.
pub(super) fn hear(
    state: &mut RunState,
    parent_run_id: RunId,
    initiated_event_id: EventId,
    message: FromParent,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    let parent = state.parent.as_ref().filter(|parent| {
        parent.run_id == parent_run_id && parent.initiated_event_id == initiated_event_id
    });
    let policy = parent.ok_or(Refusal::NotTheChild)?.parent_close_policy;
    let closed = || format!("its parent, run {parent_run_id}, has closed");
    match (message, policy) {
        (FromParent::Closed, ParentClosePolicy::Abandon) => Err(Refusal::Stale),
        (FromParent::Closed, ParentClosePolicy::Terminate) => {
            Ok(terminate::terminate(state, closed(), now))
        }
        (FromParent::Closed, ParentClosePolicy::RequestCancel) => {
            cancel::request(state, closed(), None, now)
        }
        (FromParent::Cancel { reason, request_id }, _) => {
            cancel::request(state, reason, Some(request_id), now)
        }
    }
}
