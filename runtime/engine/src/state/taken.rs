//! What a run has taken from callers, by which repeats are recognised: also in the
//! runs that follow it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use dacapo_model::event::Taken;
use dacapo_model::ids::{EventId, RequestId, RunId};

use super::RunState;

/// Requests of signals, by the events that recorded these.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct SignalRequests(BTreeMap<RequestId, EventId>);

impl SignalRequests {
    /// Adds a request. False if it is there already.
    pub(super) fn insert(&mut self, request_id: RequestId, event_id: EventId) -> bool {
        self.0.insert(request_id, event_id).is_none()
    }

    pub(super) fn event(&self, request_id: &RequestId) -> Option<EventId> {
        self.0.get(request_id).copied()
    }
}

impl RunState {
    /// The requests that a run that follows this one must recognise: those of this run,
    /// without the signals that are passed on, and those of the runs before.
    pub(crate) fn taken(&self, run_id: RunId, unread_signals: &[EventId]) -> Taken {
        let mut own: Vec<_> = self.signal_requests.0.iter().collect();
        own.sort_unstable_by_key(|(_, event_id)| Reverse(**event_id));
        // They are in order.
        own.retain(|(_, event_id)| unread_signals.binary_search(event_id).is_err());
        let before = &self.chain.taken;
        Taken::newest(
            own.into_iter().map(|(request_id, _)| request_id).chain(&before.signals).cloned(),
            self.updates.taken(run_id).chain(before.updates.iter().cloned()),
        )
    }
}
