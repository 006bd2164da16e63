//! Someone ends a run without asking it.

use dacapo_model::event::EventAttributes;
use dacapo_model::time::Timestamp;

use crate::state::RunState;
use crate::transition::Transition;

/// Closes the run at once, whatever it is doing.
pub(super) fn terminate(state: &mut RunState, reason: String, now: Timestamp) -> Transition {
    let mut transition = Transition::default();
    transition.close(state, now, EventAttributes::WorkflowExecutionTerminated { reason });
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
            EventAttributes::WorkflowExecutionTerminated { reason }
        );
        assert_eq!(transition.timers, [clear()]);
        let change = status(&transition);
        assert_eq!((change.status, change.closed_at), (ExecutionStatus::Terminated, Some(at(15))));
        assert_eq!(input(&mut state, 15, terminate()), Err(Refusal::Closed));
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
