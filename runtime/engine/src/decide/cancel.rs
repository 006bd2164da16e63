//! Someone asks a run to cancel. The run decides what to do about it.

use dacapo_model::event::EventAttributes;
use dacapo_model::ids::RequestId;
use dacapo_model::time::Timestamp;

use super::{Refusal, run_timer};
use crate::state::RunState;
use crate::transition::Transition;

/// Records the first request; any later one has no effect.
pub(super) fn request(
    state: &mut RunState,
    reason: String,
    request_id: Option<RequestId>,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    if state.cancel_request.is_some() {
        return Err(Refusal::Stale);
    }
    let mut transition = Transition::default();
    let attributes = EventAttributes::WorkflowExecutionCancelRequested { reason, request_id };
    transition.record(state, now, attributes);
    // Only the guest can decide what to do about it.
    if state.delayed_until.is_some() {
        run_timer::begin(&mut transition, state, now);
    }
    Ok(transition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Input;
    use crate::decide::fixtures::*;

    fn request(id: &str) -> Input {
        let request_id = Some(RequestId::new(id).expect("a valid id"));
        Input::RequestCancel { reason: "too late".to_owned(), request_id }
    }

    #[test]
    fn the_first_request_is_recorded_and_changes_nothing_else() {
        let mut state = with_timer();
        let transition = input(&mut state, 11, request("a")).expect("the run is open");
        assert_eq!(event_types(&transition), ["WorkflowExecutionCancelRequested"]);
        assert_eq!((&transition.timers[..], &transition.status), (&[][..], &None));
        let recorded = state.cancel_request.as_ref().expect("it is recorded");
        assert_eq!(recorded.reason, "too late");
        assert_eq!(state.pending_operations(), 1);
    }

    #[test]
    fn later_requests_have_no_effect() {
        let mut state = begun();
        input(&mut state, 11, request("a")).expect("the run is open");
        for id in ["a", "b"] {
            assert_eq!(input(&mut state, 12, request(id)), Err(Refusal::Stale));
        }
    }

    #[test]
    fn a_closed_run_can_not_be_asked() {
        let mut state = begun();
        let terminate = Input::Terminate { reason: String::new() };
        input(&mut state, 11, terminate).expect("the run is open");
        assert_eq!(input(&mut state, 12, request("a")), Err(Refusal::Closed));
    }
}
