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
