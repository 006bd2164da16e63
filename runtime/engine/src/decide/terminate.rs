//! Someone ends a run without asking it.

use dacapo_model::event::EventAttributes;
use dacapo_model::ids::RunId;
use dacapo_model::time::Timestamp;

use crate::state::RunState;
use crate::transition::Transition;

/// Closes the run at once, whatever it is doing.
pub(super) fn terminate(state: &mut RunState, reason: String, now: Timestamp) -> Transition {
    close(state, reason, None, now)
}

/// Closes the run for another that goes on in its place. If it is a child, the other
/// is that child from now on: its parent goes on waiting.
pub(super) fn reset(state: &mut RunState, new_run_id: RunId, now: Timestamp) -> Transition {
    close(state, format!("reset: run {new_run_id} goes on"), Some(new_run_id), now)
}

fn close(
    state: &mut RunState,
    reason: String,
    new_run_id: Option<RunId>,
    now: Timestamp,
) -> Transition {
    let mut transition = Transition::default();
    let terminated = EventAttributes::WorkflowExecutionTerminated { reason, new_run_id };
    transition.close(state, now, terminated);
    transition
}

#[cfg(test)]
mod tests {
    use dacapo_model::execution::ExecutionStatus;

    use super::*;
    use crate::decide::fixtures::*;
    use crate::decide::{Input, Refusal};

    fn terminate() -> Input {
        Input::Terminate { reason: "wrong order".to_owned() }
    }

    #[test]
    fn terminating_closes_the_run_and_clears_its_rows() {
        let mut state = with_timer();
        let transition = input(&mut state, 15, terminate()).expect("the run is open");
        let reason = "wrong order".to_owned();
        assert_eq!(
            *only_event(&transition),
            EventAttributes::WorkflowExecutionTerminated { reason, new_run_id: None }
        );
        assert_eq!(transition.timers, [clear()]);
        let change = status(&transition);
        assert_eq!((change.status, change.closed_at), (ExecutionStatus::Terminated, Some(at(15))));
        assert_eq!(input(&mut state, 15, terminate()), Err(Refusal::Closed));
    }

    #[test]
    fn a_run_that_is_reset_names_the_one_that_goes_on() {
        let mut state = with_timer();
        let new_run_id = RunId(uuid::Uuid::from_u128(7));
        let transition = input(&mut state, 15, Input::Reset { new_run_id }).expect("it is open");
        assert_eq!(
            *only_event(&transition),
            EventAttributes::WorkflowExecutionTerminated {
                reason: format!("reset: run {new_run_id} goes on"),
                new_run_id: Some(new_run_id),
            }
        );
        assert_eq!(transition.timers, [clear()]);
    }

    #[test]
    fn terminating_stops_activities_and_forgets_their_retries() {
        let mut running = with_activity(options());
        let transition = input(&mut running, 15, terminate()).expect("the run is open");
        assert_eq!(
            (&transition.timers[..], &transition.effects[..]),
            (&[][..], &[stop_activity()][..])
        );

        let mut waiting = with_activity(options());
        fail_once(&mut waiting);
        let transition = input(&mut waiting, 15, terminate()).expect("the run is open");
        assert_eq!(transition.timers, [clear()]);
        assert_eq!(input(&mut waiting, 15, row_is_due()), Err(Refusal::Closed));
    }

    #[test]
    fn a_blocked_run_can_be_terminated() {
        let mut state = begun();
        input(&mut state, 11, Input::GuestFault { blocked: trap() }).expect("the run is open");
        let transition = input(&mut state, 12, terminate()).expect("the run is open");
        let change = status(&transition);
        assert_eq!((change.status, &change.blocked), (ExecutionStatus::Terminated, &None));
    }
}
