//! An event of a history in one line.

use serde_json::{Map, Value};

use crate::client::wire::Event;
use crate::output::{brief, printable};

/// Characters of a payload or message that are shown.
const DETAIL_LENGTH: usize = 96;

/// Position, time of day, type, and what people want to know of the rest.
pub(crate) fn event_line(event: &Event) -> String {
    let line = format!(
        "{:>5}  {}  {:<34}  {}",
        event.event_id,
        time_of_day(&event.time),
        printable(&event.event_type),
        detail(event)
    );
    line.trim_end().to_owned()
}

/// `13:37:00.123` of `2026-11-22T13:37:00.123456Z`.
fn time_of_day(time: &str) -> String {
    let time = time.split_once('T').map_or(time, |(_, time)| time);
    let time: String = printable(time.trim_end_matches('Z')).chars().take(12).collect();
    format!("{time:<12}")
}

fn detail(event: &Event) -> String {
    let attributes = &event.attributes;
    let texts = ["workflow_type", "activity_type", "code", "timeout_type"];
    let mut parts: Vec<String> = texts.iter().filter_map(|key| text(attributes, key)).collect();
    for (key, value) in [("scheduled_event_id", "activity"), ("started_event_id", "timer")] {
        if let Some(id) = attributes.get(key) {
            parts.push(format!("{value} of event {id}"));
        }
    }
    if let Some(time) = text(attributes, "fire_at") {
        parts.push(format!("fires at {}", time_of_day(&time)));
    }
    if let Some(attempt) = attributes.get("attempt").and_then(Value::as_u64).filter(|n| *n > 1) {
        parts.push(format!("attempt {attempt}"));
    }
    for key in ["input", "result"] {
        if let Some(value) = attributes.get(key).filter(|value| !value.is_null()) {
            parts.push(brief(&value.to_string(), DETAIL_LENGTH));
        }
    }
    for key in ["failure", "last_failure"] {
        if let Some(failure) = attributes.get(key).and_then(Value::as_object) {
            let of = |key| text(failure, key).unwrap_or_default();
            parts.push(brief(&format!("{}: {}", of("type"), of("message")), DETAIL_LENGTH));
        }
    }
    for key in ["message", "reason", "details"] {
        parts.extend(text(attributes, key).map(|text| brief(&text, DETAIL_LENGTH)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("  ")
}

fn text(attributes: &Map<String, Value>, key: &str) -> Option<String> {
    attributes.get(key).and_then(Value::as_str).map(printable)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(event_type: &str, attributes: Value) -> String {
        let event = json!({
            "event_id": 7,
            "event_type": event_type,
            "time": "2026-11-22T13:37:00.123456Z",
            "attributes": attributes,
        });
        event_line(&serde_json::from_value(event).expect("valid"))
    }

    #[test]
    fn a_line_says_what_happened_to_what() {
        assert_eq!(
            line("ActivityTaskScheduled", json!({"activity_type": "charge", "input": {"c": 1}})),
            "    7  13:37:00.123  ActivityTaskScheduled               charge  {\"c\":1}"
        );
        assert_eq!(
            line("TimerFired", json!({"started_event_id": 6})),
            "    7  13:37:00.123  TimerFired                          timer of event 6"
        );
    }

    #[test]
    fn a_failure_is_shown_in_one_line() {
        let failure = json!({"type": "CardDeclined", "message": "no\nfunds"});
        let line = line("ActivityTaskFailed", json!({"attempt": 2, "failure": failure}));
        assert!(line.ends_with("attempt 2  CardDeclined: no funds"), "{line}");
    }

    #[test]
    fn an_event_without_details_ends_with_its_type() {
        let line = line("WorkflowExecutionCancelRequested", json!({"reason": ""}));
        assert!(line.ends_with("WorkflowExecutionCancelRequested"), "{line}");
    }
}
