//! Loses what is stored, or makes it unreadable, as a bad disk does.

use dacapo_model::event::HistoryEvent;
use dacapo_model::ids::{EventId, RunKey};

use super::MemoryStore;

impl MemoryStore {
    /// Loses an event, as a bad disk does. Gives it back, for [`Self::repair_event`].
    pub fn lose_event(&self, key: RunKey, event_id: EventId) -> Option<HistoryEvent> {
        self.state.lock().events.remove(&(key, event_id))
    }

    /// Makes an event unreadable.
    pub fn spoil_event(&self, key: RunKey, event_id: EventId) {
        self.state.lock().spoilt.insert((key, event_id));
    }

    /// Makes the summary of a run unreadable, or readable again.
    pub fn spoil_execution(&self, key: RunKey, is_spoilt: bool) {
        let spoilt = &mut self.state.lock().spoilt_executions;
        if is_spoilt {
            spoilt.insert(key);
        } else {
            spoilt.remove(&key);
        }
    }

    /// Puts an event where it was, readable.
    pub fn repair_event(&self, key: RunKey, event: HistoryEvent) {
        let mut state = self.state.lock();
        state.spoilt.remove(&(key, event.id));
        state.events.insert((key, event.id), event);
    }
}
