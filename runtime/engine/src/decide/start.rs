//! A run begins.

use dacapo_model::event::{EventAttributes, HistoryEvent, WorkflowExecutionStarted};
use dacapo_model::ids::EventId;
use dacapo_model::time::Timestamp;

use crate::state::RunState;
use crate::transition::Transition;

/// The first transition of a run.
pub fn start(started: WorkflowExecutionStarted, now: Timestamp) -> (RunState, Transition) {
    let event = HistoryEvent {
        id: EventId::FIRST,
        time: now,
        attributes: EventAttributes::WorkflowExecutionStarted(Box::new(started)),
    };
    let state = RunState::from_start(&event).expect("the event is a start with the first id");
    (state, Transition { events: vec![event], ..Transition::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixtures::{at, start_attributes};

    #[test]
    fn a_run_begins_with_one_event_that_makes_its_state() {
        let (state, transition) = start(start_attributes(), at(10));
        assert_eq!(RunState::from_history(&transition.events), Ok(Some(state)));
        assert_eq!(transition.events[0].time, at(10));
        assert_eq!(
            transition.events[0].attributes,
            EventAttributes::WorkflowExecutionStarted(Box::new(start_attributes()))
        );
        assert_eq!(transition.status, None, "the row of a new run says that it runs");
    }
}
