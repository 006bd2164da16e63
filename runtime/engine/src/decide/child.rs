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

/// The run that a child begins with. Derived, so that a repeat of the start makes the same
/// run.
pub fn child_run_id(parent: RunId, initiated_event_id: EventId) -> RunId {
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
        first_run_id: None,
        terminate: false,
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

/// Does what the parent of this run says, if this is the child that it means.
pub(super) fn from_parent(
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

#[cfg(test)]
mod tests {
    use dacapo_model::command::{Command, Outcome};
    use dacapo_model::event::{ChildOptions, ParentExecution, RootExecution};
    use dacapo_model::execution::ExecutionStatus;
    use dacapo_model::ids::{OperationId, TypeName};
    use dacapo_model::limits::Limits;

    use super::*;
    use crate::decide::fixtures::*;
    use crate::decide::start;

    fn child_of(operation: u32) -> Command {
        Command::StartChild(Box::new(StartChild {
            started_operation_id: OperationId(operation),
            closed_operation_id: OperationId(operation + 1),
            workflow_type: TypeName::new("ship").expect("a valid name"),
            input: Payload::new("17"),
            options: ChildOptions::default(),
        }))
    }

    /// A run that asked for a child at second 10, as its event 2.
    fn with_child() -> RunState {
        let mut state = begun();
        let transition = take_turn(&mut state, 10, [child_of(1)]);
        assert_eq!(transition.effects, [Effect::StartChild { initiated_event_id: EVENT }]);
        state
    }

    fn has_started() -> Input {
        Input::ChildStarted { initiated_event_id: EVENT }
    }

    fn has_closed() -> Input {
        let outcome = ChildOutcome::Completed(Payload::new("1"));
        Input::ChildClosed { initiated_event_id: EVENT, outcome }
    }

    #[test]
    fn a_child_has_a_name_and_a_run_that_follow_from_its_parent() {
        let (a, b) = (with_child(), with_child());
        let (a, b) = (&a.children[&EVENT].initiated, &b.children[&EVENT].initiated);
        assert_eq!(a, b);
        assert_eq!(a.workflow_id.as_str(), format!("{RUN}/1"));
        let mut two = begun();
        take_turn(&mut two, 10, [child_of(1), child_of(3)]);
        let runs: Vec<_> = two.children.values().map(|child| child.initiated.run_id).collect();
        assert_ne!(runs[0], runs[1]);
    }

    #[test]
    fn a_child_starts_once_and_closes_once() {
        let mut state = with_child();
        assert_eq!(state.pending_operations(), 2);
        assert_eq!(input(&mut state, 11, has_closed()), Err(Refusal::Stale), "not started yet");
        input(&mut state, 11, has_started()).expect("it is to start");
        assert_eq!(input(&mut state, 12, has_started()), Err(Refusal::Stale));
        assert_eq!(state.pending_operations(), 1);
        let transition = input(&mut state, 13, has_closed()).expect("it has started");
        assert_eq!(event_types(&transition), ["ChildWorkflowExecutionCompleted"]);
        assert_eq!(input(&mut state, 14, has_closed()), Err(Refusal::Stale));
        assert_eq!(state.pending_operations(), 0);
    }

    #[test]
    fn a_child_that_has_closed_has_started() {
        let mut state = with_child();
        assert_eq!(implied(&state, &has_closed()), Some(has_started()));
        input(&mut state, 11, has_started()).expect("it is to start");
        assert_eq!(implied(&state, &has_closed()), None);
    }

    #[test]
    fn a_child_that_can_not_start_has_ended() {
        let mut state = with_child();
        let failed = || Input::ChildStartFailed { initiated_event_id: EVENT, failure: declined() };
        let transition = input(&mut state, 11, failed()).expect("it is to start");
        assert_eq!(event_types(&transition), ["StartChildWorkflowExecutionFailed"]);
        assert_eq!(input(&mut state, 12, failed()), Err(Refusal::Stale));
        assert_eq!(input(&mut state, 12, has_started()), Err(Refusal::Stale));
        assert_eq!(state.pending_operations(), 0);
    }

    #[test]
    fn a_child_is_asked_to_cancel_once_it_has_started() {
        let mut state = with_child();
        let transition = take_turn(&mut state, 11, [give_up(2)]);
        assert_eq!(event_types(&transition), ["RequestCancelExternalWorkflowExecutionInitiated"]);
        assert_eq!(transition.effects, [], "there is nobody to ask yet");
        let transition = input(&mut state, 12, has_started()).expect("it is to start");
        let asked = EventId(3);
        assert_eq!(transition.effects, [Effect::ReachExternal { initiated_event_id: asked }]);
        let reached = || Input::ExternalReached { initiated_event_id: asked, outcome: Ok(()) };
        input(&mut state, 13, reached()).expect("it was asked");
        assert_eq!(input(&mut state, 14, reached()), Err(Refusal::Stale));
        assert_eq!(take_turn(&mut state, 15, [give_up(2)]).events, [], "it was asked before");
        assert_eq!(state.pending_operations(), 1, "it is still there");
    }

    #[test]
    fn a_run_that_closes_leaves_its_children_to_their_policies() {
        let mut state = with_child();
        input(&mut state, 11, has_started()).expect("it is to start");
        let close = Command::Close(Outcome::Completed(Payload::default()));
        let transition = take_turn(&mut state, 12, [close]);
        let [Effect::LeaveChildren { children, externals }] = &transition.effects[..] else {
            panic!("children are left: {transition:?}");
        };
        assert_eq!((children.len(), externals.len()), (1, 0));
        assert_eq!(input(&mut state, 13, has_closed()), Err(Refusal::Closed));
    }

    #[test]
    fn children_count_as_pending_from_the_request_to_the_end() {
        let limits = Limits { pending_operations_max: 3, ..Limits::default() };
        let commands = [child_of(1), give_up(2), child_of(3)];
        let transition = take_turn_within(&mut begun(), 11, commands, &limits);
        assert_eq!(status(&transition).status, ExecutionStatus::Blocked);
        let mut state = begun();
        take_turn_within(&mut state, 11, [child_of(1)], &limits);
        input(&mut state, 12, has_started()).expect("it is to start");
        let transition = take_turn_within(&mut state, 13, [child_of(3)], &limits);
        assert_eq!(event_types(&transition), ["StartChildWorkflowExecutionInitiated"]);
    }

    fn child(parent_close_policy: ParentClosePolicy) -> RunState {
        let mut started = start_attributes();
        let workflow_id = WorkflowId::new("parent").expect("a valid id");
        started.parent = Some(Box::new(ParentExecution {
            workflow_id: workflow_id.clone(),
            run_id: RUN,
            initiated_event_id: EVENT,
            parent_close_policy,
            root: RootExecution { workflow_id, run_id: RUN },
            generation: 1,
        }));
        start(started, [], [], at(10)).0
    }

    fn hears(event: EventId, message: FromParent) -> Input {
        Input::FromParent { parent_run_id: RUN, initiated_event_id: event, message }
    }

    #[test]
    fn the_end_of_a_parent_does_to_its_child_what_the_policy_says() {
        for (policy, expected) in [
            (ParentClosePolicy::Terminate, Ok("WorkflowExecutionTerminated")),
            (ParentClosePolicy::RequestCancel, Ok("WorkflowExecutionCancelRequested")),
            (ParentClosePolicy::Abandon, Err(Refusal::Stale)),
        ] {
            let heard = input(&mut child(policy), 11, hears(EVENT, FromParent::Closed));
            assert_eq!(heard.map(|transition| event_types(&transition)[0]), expected);
        }
    }

    #[test]
    fn a_run_hears_its_own_parent_only_and_of_itself_only() {
        let cancel = || FromParent::Cancel {
            reason: "late".to_owned(),
            request_id: RequestId::new("r").expect("a valid id"),
        };
        let mut state = child(ParentClosePolicy::Terminate);
        for message in [cancel(), FromParent::Closed] {
            let other = input(&mut state, 11, hears(EventId(3), message.clone()));
            assert_eq!(other, Err(Refusal::NotTheChild));
            let orphan = input(&mut begun(), 11, hears(EVENT, message));
            assert_eq!(orphan, Err(Refusal::NotTheChild));
        }
        input(&mut state, 12, hears(EVENT, cancel())).expect("it is its parent");
        assert_eq!(input(&mut state, 13, hears(EVENT, cancel())), Err(Refusal::Stale));
    }
}
