//! Events as they come back from a store: attributes through JSON, payloads as
//! they are. What does not survive that must not be in a history.

use dacapo_model::event::{EventAttributes, HistoryEvent};

pub(crate) fn stored(events: &[HistoryEvent]) -> Vec<HistoryEvent> {
    events.iter().map(store_and_read).collect()
}

fn store_and_read(event: &HistoryEvent) -> HistoryEvent {
    let text = serde_json::to_string(&event.attributes).expect("attributes are JSON");
    let mut attributes: EventAttributes =
        serde_json::from_str(&text).expect("attributes are read back");
    if let Some((_, payload)) = event.attributes.payload() {
        attributes.set_payload(payload.clone());
    }
    HistoryEvent { id: event.id, time: event.time, attributes }
}

/// A history to read, one event per line.
pub(crate) fn listing(events: &[HistoryEvent]) -> String {
    let line = |event: &HistoryEvent| {
        format!(
            "  {:>3} {:>8} ms {:?}\n",
            event.id.0,
            event.time.as_micros() / 1000,
            event.attributes
        )
    };
    events.iter().map(line).collect()
}
