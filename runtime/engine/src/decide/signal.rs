//! Someone sends a run a message.

use dacapo_model::limits::Limits;
use dacapo_model::signal::Signal;
use dacapo_model::time::Timestamp;

use super::{Refusal, run_timer};
use crate::state::RunState;
use crate::transition::Transition;

/// Records a signal once, however often it is sent.
pub(super) fn receive(
    state: &mut RunState,
    signal: Signal,
    now: Timestamp,
    limits: &Limits,
) -> Result<Transition, Refusal> {
    if let Some(repeated) = repeated(state, &signal) {
        return Err(repeated);
    }
    if state.signals >= limits.signals_max {
        return Err(Refusal::TooManySignals { max: limits.signals_max });
    }
    let mut transition = Transition::default();
    transition.record(state, now, signal.into());
    // The wait before another attempt is not the sender's to end.
    if state.delayed_until.is_some() && state.chain.first_run_id.is_none() {
        run_timer::begin(&mut transition, state, now);
    }
    Ok(transition)
}

/// What a request is told that was recorded before.
pub(super) fn repeated(state: &RunState, signal: &Signal) -> Option<Refusal> {
    let request_id = signal.request_id.as_ref()?;
    let is_known = state.has_signal_request(request_id);
    is_known.then(|| Refusal::Repeated { event_id: state.signal_event(request_id) })
}

#[cfg(test)]
mod tests {
    use dacapo_model::event::EventAttributes;
    use dacapo_model::execution::ExecutionStatus;
    use dacapo_model::ids::{EventId, RequestId, SignalName};
    use dacapo_model::payload::Payload;

    use super::*;
    use crate::decide::fixtures::*;
    use crate::decide::{Input, decide};

    fn signal(request_id: Option<&str>) -> Signal {
        Signal {
            name: SignalName::new("approved").expect("a valid name"),
            input: Payload::new("17"),
            request_id: request_id.map(|id| RequestId::new(id).expect("a valid id")),
        }
    }

    fn send(request_id: Option<&str>) -> Input {
        Input::Signal(signal(request_id))
    }

    #[test]
    fn a_signal_is_recorded_and_changes_nothing_else() {
        let mut state = with_timer();
        let transition = input(&mut state, 11, send(Some("a"))).expect("the run is open");
        assert_eq!(*only_event(&transition), EventAttributes::from(signal(Some("a"))));
        let changed = (transition.timers.len(), transition.effects.len(), transition.status);
        assert_eq!(changed, (0, 0, None));
        assert_eq!((state.signals, state.pending_operations()), (1, 1));
    }

    fn recorded_by(event_id: u64) -> Result<Transition, Refusal> {
        Err(Refusal::Repeated { event_id: Some(EventId(event_id)) })
    }

    #[test]
    fn a_repeat_of_a_request_has_no_effect_and_names_the_event_of_the_first() {
        let mut state = begun();
        for (id, event_id) in [("a", 2), ("b", 3)] {
            let transition = input(&mut state, 11, send(Some(id))).expect("the run is open");
            assert_eq!(transition.events[0].id, EventId(event_id));
        }
        for (id, event_id) in [("a", 2), ("b", 3)] {
            assert_eq!(input(&mut state, 12, send(Some(id))), recorded_by(event_id));
        }
        assert_eq!(state.signals, 2);
    }

    #[test]
    fn signals_without_a_request_id_are_all_recorded() {
        let mut state = begun();
        for _ in 0..3 {
            input(&mut state, 11, send(None)).expect("the run is open");
        }
        assert_eq!(state.signals, 3);
    }

    #[test]
    fn a_closed_run_refuses_signals_but_knows_those_it_has_had() {
        let mut state = begun();
        input(&mut state, 11, send(Some("a"))).expect("the run is open");
        let terminate = Input::Terminate { reason: String::new() };
        input(&mut state, 11, terminate).expect("the run is open");
        assert_eq!(input(&mut state, 12, send(Some("b"))), Err(Refusal::Closed));
        assert_eq!(input(&mut state, 12, send(None)), Err(Refusal::Closed));
        assert_eq!(input(&mut state, 12, send(Some("a"))), recorded_by(2));
    }

    #[test]
    fn a_run_takes_as_many_signals_as_the_limit_says_and_then_only_repeats() {
        let limits = Limits { signals_max: 2, ..Limits::default() };
        let mut state = begun();
        for id in ["a", "b"] {
            decide(&mut state, send(Some(id)), at(11), &limits).expect("there is room");
        }
        let before = state.clone();
        let refused = decide(&mut state, send(Some("c")), at(12), &limits);
        assert_eq!(refused, Err(Refusal::TooManySignals { max: 2 }));
        let repeated = decide(&mut state, send(Some("a")), at(12), &limits);
        assert_eq!(repeated, recorded_by(2));
        assert_eq!(state, before);
    }

    #[test]
    fn a_blocked_run_goes_on_taking_signals() {
        let mut state = begun();
        input(&mut state, 11, Input::GuestFault { blocked: trap() }).expect("the run is open");
        let transition = input(&mut state, 12, send(None)).expect("the run is open");
        assert_eq!(event_types(&transition), ["WorkflowExecutionSignaled"]);
        assert_eq!(state.status, ExecutionStatus::Blocked);
    }
}
