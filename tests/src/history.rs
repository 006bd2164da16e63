//! Histories of different runs of the same thing, made comparable.

use serde_json::Value;

/// The types of all events, in order.
pub fn event_types(history: &[Value]) -> Vec<&str> {
    history.iter().map(|event| event["event_type"].as_str().unwrap_or_default()).collect()
}

/// A history without what differs between two runs of the same workflow: times.
/// Activities that ran side by side may complete in either order; such
/// neighbours are put in the order they were scheduled in.
pub fn comparable(history: &[Value]) -> Vec<Value> {
    let mut events: Vec<Value> = history.iter().map(without_times).collect();
    let completes = |event: &Value| event["event_type"] == "ActivityTaskCompleted";
    for group in events.chunk_by_mut(|one, next| completes(one) && completes(next)) {
        let ids: Vec<Value> = group.iter().map(|event| event["event_id"].clone()).collect();
        group.sort_by_key(|event| event["attributes"]["scheduled_event_id"].as_u64());
        for (event, id) in group.iter_mut().zip(ids) {
            event["event_id"] = id;
        }
    }
    events
}

fn without_times(event: &Value) -> Value {
    let mut event = event.clone();
    let fields = event.as_object_mut().expect("an event is an object");
    fields.remove("time").expect("an event has a time");
    if let Some(attributes) = fields["attributes"].as_object_mut() {
        attributes.remove("fire_at");
    }
    event
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(id: u64, event_type: &str, attributes: Value) -> Value {
        json!({"event_id": id, "event_type": event_type, "time": id, "attributes": attributes})
    }

    #[test]
    fn only_neighbouring_completions_change_places() {
        let completed =
            |id, of: u64| event(id, "ActivityTaskCompleted", json!({ "scheduled_event_id": of }));
        let history = [completed(1, 9), completed(2, 7), event(3, "TimerFired", json!({}))];
        let other = [completed(1, 7), completed(2, 9), event(3, "TimerFired", json!({}))];
        assert_eq!(comparable(&history), comparable(&other));
        let apart = [completed(1, 9), event(2, "TimerFired", json!({})), completed(3, 7)];
        assert_eq!(comparable(&apart)[0]["attributes"]["scheduled_event_id"], 9);
    }
}
