//! Histories, page by page and live.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::{BASE, Node, request};

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event_type"].as_str().expect("a type")).collect()
}

#[tokio::test]
async fn a_history_tells_all_that_was_recorded() {
    let node = Node::start().await;
    let body = json!({
        "workflow": "call",
        "workflow_id": "w",
        "request_id": "r-1",
        "input": {"name": "Ada"},
        "options": {"environment": {"REGION": "eu"}, "arguments": ["--fast"]},
    });
    let started = node.post(&format!("{BASE}/runs?wait=60"), body.to_string()).await.json();
    assert_eq!(started["status"], "completed");
    let page = node.get(&format!("{BASE}/runs/w/history")).await.json();
    assert_eq!(page["run_id"], started["run_id"]);
    assert_eq!(page.get("next"), None);
    let events = page["events"].as_array().expect("events");
    let expected = [
        "WorkflowExecutionStarted",
        "ActivityTaskScheduled",
        "ActivityTaskCompleted",
        "WorkflowExecutionCompleted",
    ];
    assert_eq!(types(events), expected);
    for (event, id) in events.iter().zip(1..) {
        assert_eq!(event["event_id"], id);
        assert_eq!(event.as_object().expect("an object").len(), 4, "{event}");
        assert!(event["time"].as_str().expect("a time").ends_with('Z'));
    }
    let first = &events[0]["attributes"];
    assert_eq!(first["workflow_type"], "call");
    assert_eq!(first["input"], json!({"name": "Ada"}));
    assert_eq!(first["request_id"], "r-1");
    assert_eq!(first["environment"], json!({"REGION": "eu"}));
    assert_eq!(first["arguments"], json!(["--fast"]));
    let scheduled = json!({
        "operation_id": 1,
        "activity_type": "greet",
        "input": {"name": "Ada"},
        "start_to_close_timeout_seconds": 2.5,
        "schedule_to_close_timeout_seconds": 60.0,
        "retry_policy": {
            "initial_interval_seconds": 1.0,
            "backoff_coefficient": 2.0,
            "maximum_interval_seconds": 100.0,
            "maximum_attempts": 3,
            "non_retryable_types": [],
        },
    });
    assert_eq!(events[1]["attributes"], scheduled);
    let completed = json!({
        "scheduled_event_id": 2,
        "operation_id": 1,
        "attempt": 1,
        "result": {"name": "Ada"},
    });
    assert_eq!(events[2]["attributes"], completed);
    assert_eq!(events[3]["attributes"], json!({"result": {"name": "Ada"}}));
}

#[tokio::test]
async fn a_failed_activity_is_told_with_why_it_is_not_tried_again() {
    let node = Node::start().await;
    node.run_to_end("decline", "w").await;
    let page = node.get(&format!("{BASE}/runs/w/history?from=3")).await.json();
    let failed = &page["events"][0];
    assert_eq!(failed["event_type"], "ActivityTaskFailed");
    assert_eq!(failed["attributes"]["retry_state"], "non_retryable_failure");
    assert_eq!(failed["attributes"]["failure"]["details"], json!({"short_by": 1.5}));
    assert_eq!(failed["attributes"]["failure"]["causes"][0]["details_base64"], "/w==");
}

#[tokio::test]
async fn payloads_that_are_not_json_are_shown_as_base64() {
    let node = Node::start().await;
    let body = r#"{"workflow": "call", "workflow_id": "w", "input_base64": "/wAB"}"#;
    node.post(&format!("{BASE}/runs?wait=60"), body).await;
    let page = node.get(&format!("{BASE}/runs/w/history")).await.json();
    for (at, field) in [(0, "input"), (1, "input"), (2, "result"), (3, "result")] {
        let attributes = &page["events"][at]["attributes"];
        assert_eq!(attributes[format!("{field}_base64")], "/wAB");
        assert_eq!(attributes.get(field), None);
    }
}

#[tokio::test]
async fn pages_of_a_history_follow_each_other() {
    let node = Node::start().await;
    node.run_to_end("call", "w").await;
    let path = format!("{BASE}/runs/w/history");
    let first = node.get(&format!("{path}?limit=3")).await.json();
    assert_eq!((first["events"].as_array().map(Vec::len), &first["next"]), (Some(3), &json!(4)));
    let last = node.get(&format!("{path}?limit=3&from=4")).await.json();
    let events = last["events"].as_array().expect("events");
    assert_eq!(types(events), ["WorkflowExecutionCompleted"]);
    assert_eq!(last.get("next"), None);
    let past = node.get(&format!("{path}?from=5")).await.json();
    assert_eq!(past["events"], json!([]));
    for query in ["from=0", "from=-1", "from=18446744073709551615", "limit=0", "follow=maybe"] {
        node.get(&format!("{path}?{query}")).await.refused(400, "invalid_argument");
    }
}

#[tokio::test]
async fn a_live_history_has_what_is_recorded_and_what_comes_until_the_end() {
    let node = Node::start().await;
    node.start_run("wait", "w").await;
    let path = format!("{BASE}/runs/w/history");
    let mut events = node.follow(&path, None).await;
    let first = events.next().await.expect("an event");
    assert_eq!(
        (first.id.as_deref(), first.event.as_str()),
        (Some("1"), "WorkflowExecutionStarted")
    );
    let timer = events.until("TimerStarted").await;

    node.post(&format!("{BASE}/runs/w/cancel"), r#"{"reason": "enough"}"#).await;
    let rest = events.rest().await;
    let last = rest.last().expect("an event");
    assert_eq!(last.event, "WorkflowExecutionCanceled");
    assert_eq!(last.data["attributes"]["details"], "enough");

    // The same JSON as on a page.
    let page = node.get(&path).await.json();
    let pages = page["events"].as_array().expect("events");
    assert_eq!((first.data, timer.data), (pages[0].clone(), pages[1].clone()));
    assert_eq!(&last.data, pages.last().expect("events"));
    assert_eq!(rest.len() + 2, pages.len());
}

#[tokio::test]
async fn a_live_history_is_resumed_after_the_last_event_and_ends_for_good() {
    let node = Node::start().await;
    node.run_to_end("call", "w").await;
    let path = format!("{BASE}/runs/w/history?follow=true");
    let ids = |messages: Vec<crate::client::Message>| {
        messages.into_iter().filter_map(|message| message.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(node.follow(&path, None).await.rest().await), ["1", "2", "3", "4"]);
    assert_eq!(ids(node.follow(&path, Some("2")).await.rest().await), ["3", "4"]);
    assert_eq!(ids(node.follow(&format!("{path}&from=4"), None).await.rest().await), ["4"]);

    let resume = |last: &'static str| {
        let mut request = request(Method::GET, &path, Body::empty());
        request.headers_mut().insert("last-event-id", last.parse().expect("valid"));
        node.send(request)
    };
    let ended = resume("4").await;
    assert_eq!((ended.status, ended.body.len()), (StatusCode::NO_CONTENT, 0));
    resume("four").await.refused(400, "invalid_argument");
    resume("18446744073709551615").await.refused(400, "invalid_argument");
}

#[tokio::test]
async fn white_space_in_a_payload_can_t_break_a_live_history() {
    let node = Node::start().await;
    let input = "{\"a\":\r\n\n[1,\r2]}";
    let body = format!(r#"{{"workflow": "echo", "workflow_id": "w", "input": {input}}}"#);
    node.post(&format!("{BASE}/runs?wait=60"), body).await;
    let page = node.get(&format!("{BASE}/runs/w/history")).await;
    assert!(page.text().contains(input), "{}", page.text());
    let mut events = node.follow(&format!("{BASE}/runs/w/history"), None).await;
    let started = events.until("WorkflowExecutionStarted").await;
    assert_eq!(started.data["attributes"]["input"], json!({"a": [1, 2]}));
    events.until("WorkflowExecutionCompleted").await;
}

#[tokio::test]
async fn a_live_history_ends_when_the_node_stops() {
    let node = Node::start().await;
    node.start_run("wait", "w").await;
    let mut events = node.follow(&format!("{BASE}/runs/w/history"), None).await;
    events.until("TimerStarted").await;
    node.runtime.begin_shutdown();
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn following_an_unknown_run_is_refused_as_json() {
    let node = Node::start().await;
    let mut request = request(Method::GET, &format!("{BASE}/runs/none/history"), Body::empty());
    request.headers_mut().insert(header::ACCEPT, "text/event-stream".parse().expect("valid"));
    node.send(request).await.refused(404, "run_not_found");
}
