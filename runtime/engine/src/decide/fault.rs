//! The guest could not go on, or is to try again.

use dacapo_model::event::EventAttributes;
use dacapo_model::execution::{Blocked, ExecutionStatus};
use dacapo_model::time::Timestamp;

use super::Refusal;
use crate::state::RunState;
use crate::transition::{StatusChange, Transition};

/// Blocks the run. It stays open; inputs are still recorded.
pub(super) fn fault(state: &mut RunState, blocked: Blocked, now: Timestamp) -> Transition {
    let blocked = blocked.bounded();
    let mut transition = Transition::default();
    let attributes = EventAttributes::WorkflowTaskFailed {
        code: blocked.code.clone(),
        message: blocked.message.clone(),
    };
    transition.record(state, now, attributes);
    transition.status = Some(StatusChange {
        status: ExecutionStatus::Blocked,
        blocked: Some(blocked),
        closed_at: None,
    });
    transition
}

/// Lets a blocked run try again, from its history. Writes no event: nothing has
/// happened to the run yet.
pub(super) fn retry(state: &mut RunState) -> Result<Transition, Refusal> {
    if state.status != ExecutionStatus::Blocked {
        return Err(Refusal::NotBlocked);
    }
    state.status = ExecutionStatus::Running;
    let status = StatusChange { status: ExecutionStatus::Running, blocked: None, closed_at: None };
    Ok(Transition { status: Some(status), ..Transition::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Input;
    use crate::decide::fixtures::*;

    fn blocked() -> RunState {
        let mut state = with_timer();
        input(&mut state, 11, Input::GuestFault { blocked: trap() }).expect("the run is open");
        state
    }

    #[test]
    fn a_fault_blocks_the_run_and_shows_why() {
        let mut state = with_timer();
        let fault = Input::GuestFault { blocked: trap() };
        let transition = input(&mut state, 11, fault).expect("the run is open");
        assert_eq!(
            *only_event(&transition),
            EventAttributes::WorkflowTaskFailed {
                code: "guest_trap".to_owned(),
                message: "unreachable".to_owned(),
            }
        );
        let expected = StatusChange {
            status: ExecutionStatus::Blocked,
            blocked: Some(trap()),
            closed_at: None,
        };
        assert_eq!(transition.status, Some(expected));
        assert_eq!(state.pending_operations(), 1, "what is pending stays pending");
    }

    #[test]
    fn what_a_guest_can_make_long_is_cut_in_the_event_and_in_the_report() {
        let mut state = with_timer();
        let blocked = Blocked { message: "x".repeat(1_000_000), ..trap() };
        let transition =
            input(&mut state, 11, Input::GuestFault { blocked }).expect("the run is open");
        let EventAttributes::WorkflowTaskFailed { message, .. } = only_event(&transition) else {
            panic!("a fault is recorded as one");
        };
        assert!(message.len() < 5_000, "{} bytes", message.len());
        let report = status(&transition).blocked.as_ref().expect("a report");
        assert_eq!(report.message, *message);
    }

    #[test]
    fn a_blocked_run_goes_on_recording_what_happens_to_it() {
        let mut state = blocked();
        let transition = input(&mut state, 20, row_is_due()).expect("its time has come");
        assert_eq!(event_types(&transition), ["TimerFired"]);
        assert_eq!(state.status, ExecutionStatus::Blocked);
    }

    #[test]
    fn trying_again_writes_no_event_and_shows_the_run_as_running() {
        let mut state = blocked();
        let transition = input(&mut state, 12, Input::Retry).expect("it is blocked");
        assert_eq!(transition.events, []);
        assert!(!transition.is_empty(), "the status is to be committed");
        let change = status(&transition);
        assert_eq!((change.status, &change.blocked), (ExecutionStatus::Running, &None));
        assert_eq!(state.status, ExecutionStatus::Running);
    }

    #[test]
    fn only_a_blocked_run_can_be_tried_again() {
        assert_eq!(input(&mut begun(), 12, Input::Retry), Err(Refusal::NotBlocked));
        let mut closed = begun();
        let terminate = Input::Terminate { reason: String::new() };
        input(&mut closed, 11, terminate).expect("the run is open");
        assert_eq!(input(&mut closed, 12, Input::Retry), Err(Refusal::Closed));
    }

    #[test]
    fn a_run_that_fails_again_is_blocked_again() {
        let mut state = blocked();
        input(&mut state, 12, Input::Retry).expect("it is blocked");
        let fault = Input::GuestFault { blocked: trap() };
        let transition = input(&mut state, 12, fault).expect("the run is open");
        assert_eq!(status(&transition).status, ExecutionStatus::Blocked);
        assert_eq!(state.status, ExecutionStatus::Blocked);
    }
}
