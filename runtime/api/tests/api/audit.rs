//! The log of what was asked for, and by whom.

use axum::body::Body;
use axum::http::Method;
use dacapo_api::{Audited, ClientAddress, access_rules};
use dacapo_model::access::AuditEntry;
use dacapo_service::operations::AuditFilter;
use serde_json::json;

use crate::access::{get, key, routes, send, with_key};
use crate::client::{BASE, Node, request};

/// All entries of the log, the newest first.
pub(crate) async fn entries(node: &Node) -> Vec<AuditEntry> {
    let entries = node.runtime.list_audit(&AuditFilter::default(), 1_000).await.expect("lists");
    entries.into_iter().map(|numbered| numbered.entry).collect()
}

pub(crate) async fn actions(node: &Node) -> Vec<String> {
    entries(node).await.into_iter().map(|entry| entry.action).collect()
}

#[tokio::test]
async fn who_changed_what_is_in_the_log() {
    let node = Node::guarded().await;
    let (admin, operator) = (key(&node, &["admin"]).await, key(&node, &["operator@default"]).await);
    let path = format!("{BASE}/runs/nobody/terminate");
    let mut request = with_key(request(Method::POST, &path, Body::empty()), operator.expose());
    request.extensions_mut().insert(ClientAddress([10, 1, 2, 3].into()));
    node.send(request).await.refused(404, "run_not_found");
    // What only looks leaves no trace.
    get(&node, &operator, &format!("{BASE}/runs")).await;
    let page = get(&node, &admin, "/api/v1/audit?limit=2").await.json();
    let entry = &page["entries"][0];
    assert_eq!(entry["action"], "terminate_run");
    assert_eq!(entry["principal"], format!("key:{}", operator.hash().id()));
    assert_eq!(entry["namespace"], "default");
    assert_eq!(entry["target"], path);
    assert_eq!(entry["address"], "10.1.2.3");
    assert_eq!(page["entries"][1]["action"], "create_api_key");
    assert_eq!(page["entries"][1]["principal"], "local");
    let rest = get(&node, &admin, &format!("/api/v1/audit?before={}", page["next"])).await.json();
    assert_eq!(rest["entries"].as_array().expect("a list").len(), 1, "{rest}");
    assert!(rest.get("next").is_none());
    let here = get(&node, &admin, "/api/v1/audit?namespace=default").await.json();
    let here = here["entries"].as_array().expect("a list").iter().map(|it| &it["action"]);
    let here: Vec<_> = here.collect();
    assert_eq!(here, ["terminate_run", "create_api_key"], "those of the key for it, too");
    assert!(!page.to_string().contains(operator.expose()));
}

#[tokio::test]
async fn nothing_is_done_that_the_log_can_not_say() {
    let node = Node::guarded().await;
    let operator = key(&node, &["operator"]).await;
    get(&node, &operator, &format!("{BASE}/runs")).await;
    node.lose_store();
    let path = format!("{BASE}/runs/nobody/terminate");
    send(&node, &operator, Method::POST, &path, None).await.refused(503, "unavailable");
}

#[tokio::test]
async fn every_route_is_in_the_log_as_its_row_says() {
    let node = Node::guarded().await;
    let admin = key(&node, &["admin"]).await;
    for (method, path, operation) in routes() {
        let rule = access_rules().iter().find(|rule| rule.operation == operation).expect("a row");
        let before = entries(&node).await.len();
        // Each is about what is not there, or says not enough: nothing is done.
        let answer = send(&node, &admin, method, &path, Some(json!({}))).await;
        let all = actions(&node).await;
        let new = &all[..all.len() - before];
        match rule.audited {
            Audited::No => assert!(new.is_empty(), "{operation}: {new:?}"),
            Audited::Before => assert_eq!(new, [operation]),
            Audited::Together => {
                assert!(answer.status.is_client_error(), "{operation}: {}", answer.text());
                assert!(new.is_empty(), "{operation} was not done: {new:?}");
            }
        }
    }
    let page = get(&node, &admin, "/api/v1/audit").await.json();
    for entry in page["entries"].as_array().expect("a list") {
        let written = if entry["action"] == "create_api_key" { "together" } else { "before" };
        assert_eq!(entry["written"], written, "{entry}");
    }
}

#[tokio::test]
async fn that_a_key_is_made_or_revoked_is_written_together_with_it() {
    let node = Node::guarded().await;
    let admin = key(&node, &["admin"]).await;
    let grants = json!([{"role": "worker", "namespace": "default"}]);
    let body = json!({"name": "of a worker", "grants": grants});
    let made = send(&node, &admin, Method::POST, "/api/v1/api-keys", Some(body)).await.json();
    let id = made["api_key"]["id"].as_str().expect("an id");
    send(&node, &admin, Method::DELETE, &format!("/api/v1/api-keys/{id}"), None).await;
    let page = get(&node, &admin, "/api/v1/audit").await.json();
    for (number, action) in ["revoke_api_key", "create_api_key"].into_iter().enumerate() {
        let entry = &page["entries"][number];
        assert_eq!(entry["action"], action);
        assert_eq!(entry["written"], "together");
        assert_eq!(entry["target"], format!(r#"{id} "of a worker" worker@default"#));
        assert_eq!(entry["namespace"], "default");
    }
}

#[tokio::test]
async fn a_path_in_the_log_is_cut() {
    let node = Node::guarded().await;
    let operator = key(&node, &["operator"]).await;
    let path = format!("{BASE}/runs/{}/terminate", "x".repeat(5_000));
    send(&node, &operator, Method::POST, &path, None).await;
    assert_eq!(entries(&node).await[0].target, path[..512]);
}
