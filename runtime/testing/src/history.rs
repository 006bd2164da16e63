//! What a run has recorded.

use std::fmt;

use dacapo_engine::guest::RunContext;
use dacapo_model::event::HistoryEvent;

/// The history of a run, for a test to look at or to
/// [replay](crate::TestEnv::replay).
#[derive(Clone, PartialEq)]
pub struct History {
    pub(crate) context: RunContext,
    pub(crate) events: Vec<HistoryEvent>,
}

impl History {
    /// All events, in order.
    pub fn events(&self) -> &[HistoryEvent] {
        &self.events
    }

    /// The types of all events, such as `ActivityTaskScheduled`.
    pub fn event_types(&self) -> Vec<&'static str> {
        self.events.iter().map(|event| event.attributes.type_name()).collect()
    }

    /// How many events are of this type.
    pub fn count(&self, event_type: &str) -> usize {
        self.event_types().into_iter().filter(|name| *name == event_type).count()
    }
}

/// One event per line.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.events).finish()
    }
}
