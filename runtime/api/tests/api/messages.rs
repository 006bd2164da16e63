//! Queries and updates.

use dacapo_model::limits::Limits;
use serde_json::json;

use crate::client::{BASE, Node};
use crate::scripts;

#[tokio::test]
async fn a_query_is_answered_byte_for_byte_and_records_nothing() {
    let node = Node::start().await;
    let run_id = node.start_run("serve", "w").await;
    let path = format!("{BASE}/runs/w/queries");
    let published = node.post(&format!("{path}/name"), "").await;
    assert_eq!(published.status, 200);
    assert!(published.text().contains(r#"{"b":1.10,  "a":2}"#), "{}", published.text());
    let asked = node.post(&format!("{path}/echo%2F1"), r#"{"input": {"b":1.10,  "a":2}}"#).await;
    assert!(asked.text().contains(r#"{"b":1.10,  "a":2}"#), "{}", asked.text());
    assert_eq!(asked.json()["run_id"], json!(run_id));
    let bytes = node.post(&format!("{path}/echo"), r#"{"input_base64": "/w=="}"#).await;
    assert_eq!(bytes.json()["result_base64"], "/w==");
    let refused = node.post(&format!("{path}/odd"), "").await.refused(422, "query_failed");
    assert_eq!(refused["details"]["type"], "Declined");
    let history = node.get(&format!("{BASE}/runs/w/history")).await.json();
    assert_eq!(history["events"].as_array().map(Vec::len), Some(1));
    let described = node.get(&format!("{BASE}/runs/w")).await.json();
    assert_eq!(described["published"], json!(["name"]));
}

#[tokio::test]
async fn a_closed_run_answers_what_it_has_published_or_rejects_as_asked() {
    let node = Node::start().await;
    node.start_run("serve", "w").await;
    node.post(&format!("{BASE}/runs/w/terminate"), "").await;
    let path = format!("{BASE}/runs/w/queries");
    assert_eq!(node.post(&format!("{path}/name"), "").await.status, 200);
    node.post(&format!("{path}/echo"), "").await.refused(409, "query_not_served");
    for reject_if in ["not_open", "not_completed_cleanly"] {
        let body = json!({"reject_if": reject_if}).to_string();
        let rejected = node.post(&format!("{path}/name"), body).await;
        assert_eq!(rejected.status, 200);
        assert_eq!(rejected.json()["rejected"], json!({"status": "terminated"}));
    }
}

#[tokio::test]
async fn an_update_is_answered_with_the_stage_that_it_has_come_to() {
    let node = Node::start().await;
    let run_id = node.start_run("serve", "w").await;
    let path = format!("{BASE}/runs/w/updates");
    let body = r#"{"input": {"b":1.10,  "a":2}, "update_id": "u 1"}"#;
    for _ in 0..2 {
        let done = node.post(&format!("{path}/echo"), body).await;
        assert_eq!((done.status.as_u16(), &done.json()["stage"]), (200, &json!("completed")));
        assert!(done.text().contains(r#"{"b":1.10,  "a":2}"#), "{}", done.text());
        assert_eq!(done.json()["run_id"], json!(run_id));
    }
    let failed = node.post(&format!("{path}/fail"), "").await.json();
    assert_eq!(
        (&failed["stage"], &failed["failure"]["type"]),
        (&json!("completed"), &json!("Declined"))
    );
    assert!(failed["update_id"].is_string(), "made up: {failed}");
    let rejected = node.post(&format!("{path}/odd"), r#"{"update_id": "u 2"}"#).await;
    assert_eq!((rejected.status.as_u16(), &rejected.json()["stage"]), (200, &json!("rejected")));
    node.get(&format!("{path}/u%202")).await.refused(404, "update_not_found");

    let open = r#"{"update_id": "u 3"}"#;
    let pending = node.post(&format!("{path}/never?wait=0"), open).await;
    assert_eq!((pending.status.as_u16(), &pending.json()["stage"]), (202, &json!("accepted")));
    let accepted = r#"{"update_id": "u 3", "wait_for": "accepted"}"#;
    assert_eq!(node.post(&format!("{path}/never"), accepted).await.status, 200);
    assert_eq!(node.get(&format!("{path}/u%203")).await.status, 202);
    assert_eq!(node.get(&format!("{path}/u%203?wait_for=accepted")).await.status, 200);
    assert_eq!(node.get(&format!("{path}/u%201")).await.json()["stage"], "completed");
    let described = node.get(&format!("{BASE}/runs/w")).await.json();
    let waiting = json!([{"update_id": "u 3", "accepted": true}]);
    assert_eq!(described["pending_updates"], waiting);

    node.post(&format!("{BASE}/runs/w/terminate"), "").await;
    assert_eq!(node.post(&format!("{path}/echo"), body).await.json()["stage"], "completed");
    node.post(&format!("{path}/never"), open).await.refused(409, "run_closed");
    node.get(&format!("{path}/u%203")).await.refused(409, "run_closed");
    node.get(&format!("{path}/none")).await.refused(404, "update_not_found");
    let history = node.get(&format!("{BASE}/runs/w/history")).await.json();
    let attributes = &history["events"][1]["attributes"];
    assert_eq!(
        (&attributes["update_id"], &attributes["update_name"]),
        (&json!("u 1"), &json!("echo"))
    );
    let outcome = &history["events"][4]["attributes"];
    assert_eq!(
        (&outcome["accepted_event_id"], &outcome["failure"]["type"]),
        (&json!(4), &json!("Declined"))
    );
}

#[tokio::test]
async fn a_start_with_an_update_starts_a_run_or_asks_the_one_that_is_there() {
    let node = Node::start().await;
    let start = |input: &str| {
        let update = format!(r#"{{"name": "echo", "input": {input}, "update_id": "{input}"}}"#);
        format!(r#"{{"workflow": "serve", "workflow_id": "w", "update": {update}}}"#)
    };
    let first = node.post(&format!("{BASE}/runs"), start("1")).await;
    assert_eq!((first.status.as_u16(), &first.json()["update"]["result"]), (201, &json!(1)));
    let second = node.post(&format!("{BASE}/runs"), start("2")).await;
    assert_eq!((second.status.as_u16(), &second.json()["update"]["result"]), (200, &json!(2)));
    assert_eq!(first.json()["run_id"], second.json()["run_id"]);
}

#[tokio::test]
async fn a_repeated_start_whose_run_has_closed_says_so_to_the_update() {
    let node = Node::start().await;
    let start =
        r#"{"workflow": "echo", "workflow_id": "w", "request_id": "r", "update": {"name": "u"}}"#;
    for _ in 0..2 {
        node.post(&format!("{BASE}/runs"), start).await.refused(409, "run_closed");
    }
}

#[tokio::test]
async fn where_a_run_waits_is_told() {
    let node = Node::start().await;
    node.start_run("serve", "w").await;
    node.start_run("collect", "c").await;
    let waiting = node.get(&format!("{BASE}/runs/w/waiting")).await.json();
    assert_eq!(waiting["waiting_for"], json!({"kind": "next"}));
    assert_eq!(waiting["backtrace"], "checkout::run");
    let waiting = node.get(&format!("{BASE}/runs/c/waiting")).await.json();
    assert_eq!(waiting["waiting_for"], json!({"kind": "signal", "signal_name": "done"}));
    let path = format!("{BASE}/runs/c/queries/x");
    node.post(&path, "").await.refused(409, "query_not_served");
    node.post(&format!("{BASE}/runs/w/terminate"), "").await;
    node.get(&format!("{BASE}/runs/w/waiting")).await.refused(409, "run_closed");
}

#[tokio::test]
async fn what_is_no_query_or_update_is_refused() {
    let limits = Limits { payload_bytes_max: 100, updates_max: 1, ..Limits::default() };
    let node = Node::empty(limits).await;
    node.put(&format!("{BASE}/modules/scripts"), scripts::ALL).await;
    node.start_run("serve", "w").await;
    let long = "x".repeat(256);
    for kind in ["queries", "updates"] {
        let path = format!("{BASE}/runs/w/{kind}");
        node.post(&format!("{path}/%0A"), "").await.refused(400, "invalid_argument");
        node.post(&format!("{path}/{long}"), "").await.refused(400, "invalid_argument");
        node.post(&format!("{path}/a"), r#"{"inputs": 1}"#).await.refused(400, "invalid_request");
        let large = json!({"input": long}).to_string();
        node.post(&format!("{path}/a"), large).await.refused(413, "payload_too_large");
        node.post(&format!("{BASE}/runs/none/{kind}/a"), "").await.refused(404, "run_not_found");
    }
    let path = format!("{BASE}/runs/w/updates/echo");
    node.post(&path, r#"{"wait_for": "ever"}"#).await.refused(400, "invalid_request");
    node.post(&format!("{path}?wait=301"), "").await.refused(400, "invalid_argument");
    assert_eq!(node.post(&path, "").await.status, 200);
    node.post(&path, "").await.refused(409, "too_many_updates");
}
