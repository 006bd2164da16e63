//! Says in time that a history comes near its limits.

use dacapo_model::event::{HistoryEvent, HistorySize};

use super::actor::Actor;

/// The part of a limit from which on operators are warned, as its denominator.
const PART: u64 = 2;

impl Actor {
    /// With all that was decided so far.
    pub(super) fn history_size(&self) -> HistorySize {
        HistorySize { events: self.state.next_event_id.0 - 1, bytes: self.state.history_bytes }
    }

    /// Whether these events take the history past half of what it may have.
    pub(super) fn becomes_long(&self, events: &[HistoryEvent]) -> bool {
        let policy = self.policy();
        let limits = &policy.limits;
        let recorded = self.state.next_event_id.0 - 1;
        let (events_half, bytes_half) =
            (limits.history_events_max / PART, limits.history_bytes_max / PART);
        let fresh = || events.iter().map(|event| event.attributes.bytes()).sum::<u64>();
        let passes = |now: u64, before: u64, half: u64| now >= half && before < half;
        passes(recorded, recorded.saturating_sub(events.len() as u64), events_half)
            // Few histories are so long that their events must be measured.
            || (self.state.history_bytes >= bytes_half
                && self.state.history_bytes.saturating_sub(fresh()) < bytes_half)
    }

    /// The log says it once: the workflow itself is told much earlier.
    pub(super) fn warn_of_length(&self) {
        let policy = self.policy();
        let limits = &policy.limits;
        tracing::warn!(
            run_id = %self.run.key,
            workflow_id = %self.run.workflow_id,
            events = self.state.next_event_id.0 - 1,
            bytes = self.state.history_bytes,
            history_events_max = limits.history_events_max,
            history_bytes_max = limits.history_bytes_max,
            "the history of the run has come half-way to its limit, where the run will be blocked; \
             its workflow should continue as new"
        );
    }
}
