//! Describing runs, waiting for them, and ending them.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use crate::client::{BASE, Node, request};

#[tokio::test]
async fn a_run_is_deleted_by_its_id_once_it_has_closed() {
    let node = Node::start().await;
    let open = node.start_run("wait", "open").await;
    let delete = async |path: &str| {
        node.send(request(Method::DELETE, &format!("{BASE}/runs/{path}"), Body::empty())).await
    };
    let refused = delete(&format!("open?run_id={open}")).await;
    assert_eq!(refused.refused(409, "run_needed")["details"]["run_id"], open);
    let closed = node.run_to_end("echo", "w").await;
    delete("w").await.refused(400, "invalid_argument");
    for deleted in [true, false] {
        let answer = delete(&format!("w?run_id={closed}")).await;
        assert_eq!(answer.json(), json!({"run_id": closed, "deleted": deleted}));
    }
    node.get(&format!("{BASE}/runs/w")).await.refused(404, "run_not_found");
}

#[tokio::test]
async fn a_description_says_what_a_run_waits_for() {
    let node = Node::start().await;
    let run_id = node.start_run("wait", "w").await;
    node.follow(&format!("{BASE}/runs/w/history"), None).await.until("TimerStarted").await;
    let run = node.get(&format!("{BASE}/runs/w")).await.json();
    assert_eq!(run["run_id"], run_id);
    assert_eq!(run["workflow_type"], "wait");
    assert_eq!(run["status"], "running");
    assert_eq!(run["cancel_requested"], false);
    assert_eq!(run["pending_activities"], json!([]));
    assert_eq!(run["pending_timers"][0]["operation_id"], 1);
    assert!(run["pending_timers"][0]["fire_at"].as_str() > run["started_at"].as_str());
    assert_eq!(run.get("closed_at"), None);
    assert_eq!(run.get("blocked"), None);
}

#[tokio::test]
async fn a_blocked_run_says_why_and_can_be_tried_again() {
    let node = Node::start().await;
    node.start_run("trap", "w").await;
    let path = format!("{BASE}/runs/w");
    let mut events = node.follow(&format!("{path}/history"), None).await;
    events.until("WorkflowTaskFailed").await;
    let run = node.get(&path).await.json();
    assert_eq!(run["status"], "blocked");
    assert_eq!(run["blocked"]["code"], "guest_trap");
    assert_eq!(run["blocked"]["backtrace"], "checkout::run");
    let result = node.get(&format!("{path}/result")).await;
    assert_eq!((result.status.as_u16(), &result.json()["status"]), (202, &json!("blocked")));

    let retried = node.post(&format!("{path}/retry"), "").await;
    assert_eq!((retried.status.as_u16(), &retried.json()["run_id"]), (202, &run["run_id"]));
    // The reason is still there.
    events.until("WorkflowTaskFailed").await;
    node.post(&format!("{path}/retry"), r#"{"force": true}"#).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn only_a_blocked_run_can_be_tried_again() {
    let node = Node::start().await;
    node.start_run("wait", "w").await;
    node.post(&format!("{BASE}/runs/w/retry"), "").await.refused(400, "invalid_argument");
}

#[tokio::test]
async fn a_result_is_waited_for_and_an_open_run_is_no_error() {
    let node = Node::start().await;
    let run_id = node.start_run("wait", "w").await;
    let path = format!("{BASE}/runs/w/result");
    let open = node.get(&format!("{path}?wait=0.01")).await;
    assert_eq!(open.status, 202);
    let expected = json!({"workflow_id": "w", "run_id": run_id, "status": "running"});
    assert_eq!(open.json(), expected);

    let waiting = format!("{path}?wait=60");
    let cancel = format!("{BASE}/runs/w/cancel");
    let (closed, _) = tokio::join!(
        node.get(&waiting),
        node.post(&cancel, r#"{"reason": "changed my mind", "request_id": "c-1"}"#)
    );
    assert_eq!(closed.status, 200);
    let closed = closed.json();
    assert_eq!(closed["status"], "canceled");
    assert_eq!(closed["reason"], "changed my mind");
    assert!(closed["closed_at"].is_string(), "{closed}");
}

#[tokio::test]
async fn a_failure_is_told_with_its_causes() {
    let node = Node::start().await;
    node.run_to_end("fail", "w").await;
    let result = node.get(&format!("{BASE}/runs/w/result")).await;
    assert_eq!(result.json()["status"], "failed");
    let expected = json!({
        "kind": "application",
        "type": "Declined",
        "message": "no money",
        "non_retryable": true,
        "next_retry_delay_seconds": 1.5,
        "details": {"short_by": 1.5},
        "causes": [{
            "kind": "timeout",
            "type": "StartToClose",
            "message": "the bank was slow",
            "non_retryable": false,
            "details_base64": "/w==",
        }],
    });
    assert_eq!(result.json()["failure"], expected);
    assert!(result.text().contains(r#"{"short_by": 1.50}"#), "{}", result.text());
}

#[tokio::test]
async fn a_terminated_run_keeps_the_reason_and_refuses_more() {
    let node = Node::start().await;
    let run_id = node.start_run("wait", "w").await;
    let path = format!("{BASE}/runs/w");
    let terminated = node.post(&format!("{path}/terminate"), r#"{"reason": "stuck"}"#).await;
    assert_eq!((terminated.status.as_u16(), terminated.json()), (200, json!({"run_id": run_id})));
    let result = node.get(&format!("{path}/result?wait=60")).await.json();
    assert_eq!((&result["status"], &result["reason"]), (&json!("terminated"), &json!("stuck")));
    for verb in ["cancel", "terminate", "retry"] {
        node.post(&format!("{path}/{verb}"), "").await.refused(409, "run_closed");
    }
}

#[tokio::test]
async fn a_run_that_was_continued_names_the_next_and_both_can_be_asked_for() {
    let node = Node::start().await;
    let first = node.start_run("continue", "w").await;
    let path = format!("{BASE}/runs/w/result?wait=60&run_id={first}");
    let old = node.get(&format!("{path}&follow=false")).await.json();
    assert_eq!(old["status"], "continued_as_new");
    let new = old["new_run_id"].as_str().expect("a run id");
    assert_ne!(new, first);
    let latest = node.get(&format!("{BASE}/runs/w/result?wait=60")).await.json();
    assert_eq!((&latest["run_id"], &latest["status"]), (&json!(new), &json!("completed")));
    assert_eq!(node.get(&path).await.json(), latest, "who waits for one follows it");
}

#[tokio::test]
async fn an_unknown_run_is_told_apart_from_a_run_id_that_is_none() {
    let node = Node::start().await;
    node.run_to_end("echo", "w").await;
    let nil = "00000000-0000-0000-0000-000000000000";
    for route in ["", "/result", "/history"] {
        let path = format!("{BASE}/runs/w{route}");
        node.get(&format!("{path}?run_id={nil}")).await.refused(404, "run_not_found");
        let refused = node.get(&format!("{path}?run_id=last")).await;
        assert_eq!(refused.refused(400, "invalid_argument")["details"]["parameter"], "run_id");
        node.get(&format!("{BASE}/runs/none{route}")).await.refused(404, "run_not_found");
    }
    for verb in ["cancel", "terminate", "retry"] {
        let path = format!("{BASE}/runs/none/{verb}");
        node.post(&path, "").await.refused(404, "run_not_found");
        node.post(&format!("{path}?runid={nil}"), "").await.refused(400, "invalid_argument");
    }
}

#[tokio::test]
async fn a_reason_has_a_limit() {
    let node = Node::start().await;
    node.start_run("wait", "w").await;
    for verb in ["cancel", "terminate"] {
        let body = json!({"reason": "x".repeat(20_000)}).to_string();
        let answer = node.post(&format!("{BASE}/runs/w/{verb}"), body).await;
        answer.refused(400, "invalid_argument");
    }
}
