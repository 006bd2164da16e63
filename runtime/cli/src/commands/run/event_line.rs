//! An event of a history in one line.

use crate::client::wire::{Event, Failure};
use crate::output::{brief, printable};

/// Characters of a payload or message that are shown.
const DETAIL_LENGTH: usize = 64;

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
    let text = |key: &str| event.attribute::<String>(key).map(|text| printable(&text));
    let texts = [
        "change_id",
        "name",
        "workflow_type",
        "activity_type",
        "signal_name",
        "workflow_id",
        "update_name",
        "update_id",
        "code",
        "timeout_type",
    ];
    let mut parts: Vec<String> = texts.into_iter().filter_map(text).collect();
    for key in ["memo", "search_attributes"] {
        let said = event.attributes.get(key).map(|said| brief(said.get(), DETAIL_LENGTH));
        parts.extend(said);
    }
    for (key, sign) in [("added", '+'), ("removed", '-')] {
        let tags = event.attribute::<Vec<String>>(key).unwrap_or_default();
        parts.extend(tags.iter().map(|tag| format!("{sign}{}", printable(tag))));
    }
    for (key, value) in [
        ("scheduled_event_id", "activity"),
        ("started_event_id", "timer"),
        ("initiated_event_id", if event.is_about_child() { "child" } else { "request" }),
    ] {
        if let Some(id) = event.attribute::<u64>(key) {
            parts.push(format!("{value} of event {id}"));
        }
    }
    if let Some(time) = text("fire_at") {
        parts.push(format!("fires at {}", time_of_day(&time)));
    }
    if let Some(version) = event.attribute::<u32>("version") {
        parts.push(format!("version {version}"));
    }
    if event.event_type == "WorkflowExecutionOptionsUpdated"
        && let Some(digest) = text("module_digest")
    {
        parts.push(format!("module {}", brief(&digest, 13)));
    }
    if let Some(attempt) = event.attribute::<u32>("attempt").filter(|attempt| *attempt > 1) {
        parts.push(format!("attempt {attempt}"));
    }
    for key in ["input", "result", "value"] {
        let payload = event.attributes.get(key).map(|payload| payload.get());
        parts.extend(payload.filter(|text| *text != "null").map(|text| brief(text, DETAIL_LENGTH)));
    }
    for key in ["failure", "last_failure"] {
        let failure = event.attribute::<Failure>(key);
        parts.extend(failure.map(|failure| brief(&failure.sentence(), DETAIL_LENGTH)));
    }
    if let Some(run_id) = text("base_run_id") {
        parts.push(format!("of run {run_id}"));
    }
    if let Some(run_id) = text("new_run_id") {
        parts.push(format!("goes on as run {run_id}"));
    }
    for key in ["message", "reason", "details"] {
        parts.extend(text(key).map(|text| brief(&text, DETAIL_LENGTH)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event_type: &str, attributes: &str) -> String {
        let event = format!(
            r#"{{"event_id": 7, "event_type": "{event_type}", "attributes": {attributes},
                "time": "2026-11-22T13:37:00.123456Z"}}"#
        );
        event_line(&serde_json::from_str(&event).expect("valid"))
    }

    #[test]
    fn a_line_says_what_happened_to_what() {
        assert_eq!(
            line("ActivityTaskScheduled", r#"{"activity_type": "charge", "input": {"b":1.50}}"#),
            "    7  13:37:00.123  ActivityTaskScheduled               charge  {\"b\":1.50}"
        );
        assert_eq!(
            line("WorkflowExecutionSignaled", r#"{"signal_name": "approved", "input": [1]}"#),
            "    7  13:37:00.123  WorkflowExecutionSignaled           approved  [1]"
        );
        assert_eq!(
            line(
                "WorkflowExecutionUpdateAccepted",
                r#"{"update_id": "u-1", "update_name": "add", "input": 2}"#
            ),
            "    7  13:37:00.123  WorkflowExecutionUpdateAccepted     add  u-1  2"
        );
        assert_eq!(
            line("WorkflowTagsModified", r#"{"added": ["in review"], "removed": ["new"]}"#),
            "    7  13:37:00.123  WorkflowTagsModified                +in review  -new"
        );
        assert_eq!(
            line("TimerFired", r#"{"started_event_id": 6}"#),
            "    7  13:37:00.123  TimerFired                          timer of event 6"
        );
    }

    #[test]
    fn a_line_says_which_child_or_request_it_is_about() {
        let initiated = r#"{"workflow_type": "ship", "workflow_id": "order-17/1", "input": 1}"#;
        let initiated = line("StartChildWorkflowExecutionInitiated", initiated);
        assert!(initiated.ends_with("Initiated  ship  order-17/1  1"), "{initiated}");
        let completed = r#"{"initiated_event_id": 3, "result": "done"}"#;
        let completed = line("ChildWorkflowExecutionCompleted", completed);
        assert!(completed.ends_with("child of event 3  \"done\""), "{completed}");
        let signaled = line("ExternalWorkflowExecutionSignaled", r#"{"initiated_event_id": 4}"#);
        assert!(signaled.ends_with("request of event 4"), "{signaled}");
    }

    #[test]
    fn a_failure_is_shown_in_one_line() {
        let line = line(
            "ActivityTaskFailed",
            r#"{"attempt": 2, "failure": {"type": "CardDeclined", "message": "no\nfunds"}}"#,
        );
        assert!(line.ends_with("attempt 2  CardDeclined: no funds"), "{line}");
    }

    #[test]
    fn an_event_without_details_ends_with_its_type() {
        let line = line("WorkflowExecutionCancelRequested", r#"{"reason": ""}"#);
        assert!(line.ends_with("WorkflowExecutionCancelRequested"), "{line}");
    }
}
