//! Activities without a workflow.

use serde_json::json;

use crate::client::{BASE, Node};

const JOB: &str = r#"{"activity": "send", "task_queue": "emails", "activity_id": "j"}"#;

fn path(rest: &str) -> String {
    format!("{BASE}/activities{rest}")
}

#[tokio::test]
async fn a_job_is_started_looked_at_and_ended() {
    let node = Node::start().await;
    let answer = node.post(&path(""), JOB).await;
    assert_eq!(answer.status, 201);
    let started = answer.json();
    assert_eq!((&started["activity_id"], &started["started"]), (&json!("j"), &json!(true)));
    assert_eq!(started.as_object().expect("an object").len(), 3, "{started}");
    node.post(&path(""), JOB).await.refused(409, "activity_already_started");

    let described = node.get(&path("/j")).await.json();
    assert_eq!((&described["activity_type"], &described["attempt"]), (&json!("send"), &json!(1)));
    assert_eq!(described["options"]["task_queue"]["name"], "emails");
    assert_eq!(node.get(&path("/j/result")).await.status, 202);
    let listed = node.get(&path("?status=running")).await.json();
    assert_eq!(listed["activities"][0]["run_id"], started["run_id"]);

    assert_eq!(node.post(&path("/j/complete"), r#"{"result": 7}"#).await.status, 200);
    let result = node.get(&path("/j/result?wait=60")).await;
    assert_eq!((result.status.as_u16(), &result.json()["result"]), (200, &json!(7)));
    node.post(&path("/j/terminate"), "").await.refused(409, "run_closed");
    node.get(&path("/unknown")).await.refused(404, "activity_not_found");
}

#[tokio::test]
async fn a_start_that_waits_has_the_status_if_the_wait_is_over() {
    let node = Node::start().await;
    let answer = node.post(&path("?wait=0.01"), JOB).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (201, &json!("running")));
    assert_eq!(node.post(&path("/j/cancel"), "").await.status, 202);
    let result = node.get(&path("/j/result?wait=60")).await.json();
    assert_eq!(result["status"], "canceled");
}

#[tokio::test]
async fn a_start_without_a_queue_says_what_is_missing() {
    let node = Node::start().await;
    let answer = node.post(&path(""), r#"{"activity": "send"}"#).await;
    assert!(answer.text().contains("task_queue is missing"), "{}", answer.text());
    answer.refused(400, "invalid_argument");
    let route = r#"{"activity": "send", "task_queue": "emails", "activity_id": "heartbeats"}"#;
    node.post(&path(""), route).await.refused(400, "invalid_argument");
}
