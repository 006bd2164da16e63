//! A run begins.

use dacapo_model::event::{EventAttributes, HistoryEvent, WorkflowExecutionStarted};
use dacapo_model::ids::EventId;
use dacapo_model::signal::Signal;
use dacapo_model::time::Timestamp;
use dacapo_model::update::AdmittedUpdate;

use super::update;
use crate::state::RunState;
use crate::transition::{TimerChange, Transition};

/// The first transition of a run, with the signals and updates that it begins with.
pub fn start(
    mut started: WorkflowExecutionStarted,
    signals: impl IntoIterator<Item = Signal>,
    updates: impl IntoIterator<Item = AdmittedUpdate>,
    now: Timestamp,
) -> (RunState, Transition) {
    let signals: Vec<Signal> = signals.into_iter().collect();
    let mut updates = updates.into_iter().peekable();
    started.initial_signals = signals.len() as u64;
    let options = &mut started.options;
    // A message begins a run at once; one that follows another waits nevertheless.
    let is_first = started.chain.first_run_id.is_none();
    let has_message = !signals.is_empty() || updates.peek().is_some();
    options.delayed_until =
        options.delayed_until.filter(|until| *until > now && !(has_message && is_first));
    if let (None, Some(timeout)) = (started.chain.execution_deadline, options.execution_timeout) {
        let begins_at = options.delayed_until.unwrap_or(now);
        started.chain.execution_deadline = Some(begins_at.after(timeout));
    }
    let event = HistoryEvent {
        id: EventId::FIRST,
        time: now,
        attributes: EventAttributes::WorkflowExecutionStarted(Box::new(started)),
    };
    let mut state = RunState::from_start(&event).expect("the event is a start with the first id");
    let mut transition = Transition { events: vec![event], ..Transition::default() };
    transition.timers.extend(state.run_timer().map(TimerChange::from));
    for signal in signals {
        transition.record(&mut state, now, signal.into());
    }
    for admitted in updates {
        update::admit(&mut transition, &mut state, admitted);
    }
    (state, transition)
}

#[cfg(test)]
mod tests {
    use dacapo_model::ids::{RequestId, SignalName};
    use dacapo_model::payload::Payload;

    use super::*;
    use crate::decide::fixtures::{at, start_attributes};

    #[test]
    fn a_run_begins_with_one_event_that_makes_its_state() {
        let (state, transition) = start(start_attributes(), [], [], at(10));
        assert_eq!(RunState::from_history(&transition.events), Ok(Some(state)));
        assert_eq!(transition.events[0].time, at(10));
        assert_eq!(
            transition.events[0].attributes,
            EventAttributes::WorkflowExecutionStarted(Box::new(start_attributes()))
        );
        assert_eq!(transition.status, None, "the row of a new run says that it runs");
    }

    #[test]
    fn a_run_may_begin_with_signals() {
        let signal = |text: &'static str| Signal {
            name: SignalName::new("approved").expect("a valid name"),
            input: Payload::new(text),
            request_id: Some(RequestId::new(text).expect("a valid id")),
        };
        let signals = [signal("1"), signal("2")];
        let (state, transition) = start(start_attributes(), signals.clone(), [], at(10));
        assert_eq!(RunState::from_history(&transition.events), Ok(Some(state)));
        let recorded: Vec<_> =
            transition.events.iter().filter_map(|e| Signal::of_event(&e.attributes)).collect();
        assert_eq!(recorded, signals);
        assert!(matches!(
            &transition.events[0].attributes,
            EventAttributes::WorkflowExecutionStarted(started) if started.initial_signals == 2
        ));
    }
}
