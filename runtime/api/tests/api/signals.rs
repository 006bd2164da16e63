//! Signals.

use dacapo_model::limits::Limits;
use serde_json::{Value, json};

use crate::client::{BASE, Node};
use crate::scripts;

fn signals_of(history: &Value) -> Vec<&Value> {
    let events = history["events"].as_array().expect("events").iter();
    events
        .filter(|event| event["event_type"] == "WorkflowExecutionSignaled")
        .map(|event| &event["attributes"])
        .collect()
}

#[tokio::test]
async fn a_signal_is_recorded_byte_for_byte_and_reaches_its_workflow() {
    let node = Node::start().await;
    let run_id = node.start_run("collect", "w").await;
    let path = format!("{BASE}/runs/w");
    // The body may be left out, and a name may be anything that a path can hold.
    for (name, body) in [("a%2Fb%20%C3%BC", ""), ("done", r#"{"input": {"b":1.10,  "a":2}}"#)] {
        let answer = node.post(&format!("{path}/signals/{name}"), body).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({"run_id": run_id})));
    }
    let result = node.get(&format!("{path}/result?wait=60")).await;
    assert!(result.text().contains(r#"{"b":1.10,  "a":2}"#), "{}", result.text());
    let history = node.get(&format!("{path}/history")).await.json();
    let signals = signals_of(&history);
    assert_eq!(signals[0]["signal_name"], "a/b ü");
    assert_eq!(signals[0]["input"], Value::Null);
    assert_eq!(signals[1]["signal_name"], "done");
    assert!(signals[1]["request_id"].is_string(), "the server made one up: {}", signals[1]);
}

#[tokio::test]
async fn a_repeated_signal_is_recorded_once() {
    let node = Node::start().await;
    node.start_run("wait", "w").await;
    let path = format!("{BASE}/runs/w/signals/again");
    for _ in 0..3 {
        let answer = node.post(&path, r#"{"request_id": "s-1", "input_base64": "/w=="}"#).await;
        assert_eq!(answer.status, 202);
    }
    let history = node.get(&format!("{BASE}/runs/w/history")).await.json();
    let expected = json!({"signal_name": "again", "request_id": "s-1", "input_base64": "/w=="});
    assert_eq!(signals_of(&history), [&expected]);
}

#[tokio::test]
async fn a_start_with_a_signal_starts_a_run_or_signals_the_one_that_is_there() {
    let node = Node::start().await;
    let start = |input: &str| {
        let signal = format!(r#"{{"name": "again", "input": {input}}}"#);
        format!(r#"{{"workflow": "wait", "workflow_id": "w", "signal": {signal}}}"#)
    };
    let first = node.post(&format!("{BASE}/runs"), start("1")).await;
    assert_eq!((first.status.as_u16(), &first.json()["started"]), (201, &json!(true)));
    let second = node.post(&format!("{BASE}/runs"), start("2")).await;
    assert_eq!((second.status.as_u16(), &second.json()["started"]), (200, &json!(false)));
    assert_eq!(first.json()["run_id"], second.json()["run_id"]);
    let history = node.get(&format!("{BASE}/runs/w/history")).await.json();
    let inputs: Vec<_> =
        signals_of(&history).iter().map(|signal| signal["input"].clone()).collect();
    assert_eq!(inputs, [1, 2]);
    assert_eq!(history["events"][0]["attributes"]["initial_signals"], 1);
}

#[tokio::test]
async fn what_is_no_signal_is_refused() {
    let limits = Limits { payload_bytes_max: 100, signals_max: 1, ..Limits::default() };
    let node = Node::empty(limits).await;
    node.put(&format!("{BASE}/modules/scripts"), scripts::ALL).await;
    node.start_run("wait", "w").await;
    let path = format!("{BASE}/runs/w/signals");
    node.post(&path, "").await.refused(404, "route_not_found");
    node.get(&format!("{path}/a")).await.refused(405, "method_not_allowed");
    node.post(&format!("{path}/%0A"), "").await.refused(400, "invalid_argument");
    let long = "x".repeat(256);
    node.post(&format!("{path}/{long}"), "").await.refused(400, "invalid_argument");
    node.post(&format!("{path}/a"), r#"{"inputs": 1}"#).await.refused(400, "invalid_request");
    let both = r#"{"input": 1, "input_base64": "/w=="}"#;
    node.post(&format!("{path}/a"), both).await.refused(400, "invalid_argument");
    let large = json!({"input": long}).to_string();
    node.post(&format!("{path}/a"), large).await.refused(413, "payload_too_large");
    node.post(&format!("{BASE}/runs/none/signals/a"), "").await.refused(404, "run_not_found");

    assert_eq!(node.post(&format!("{path}/a"), "").await.status, 202);
    let refused = node.post(&format!("{path}/a"), "").await;
    assert_eq!(refused.refused(409, "too_many_signals")["details"]["signals_max"], "1");
    node.post(&format!("{BASE}/runs/w/terminate"), "").await;
    node.post(&format!("{path}/a"), "").await.refused(409, "run_closed");
}
