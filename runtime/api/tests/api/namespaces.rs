//! Namespaces over HTTP.

use dacapo_model::limits::Limits;
use serde_json::{Value, json};

use crate::client::Node;

const ALL: &str = "/api/v1/namespaces";
const SHOP: &str = "/api/v1/namespaces/shop";

async fn create(node: &Node, request: Value) -> Value {
    let answer = node.post(ALL, request.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_new_namespace_may_reach_nothing_unless_that_is_said() {
    let node = Node::empty(Limits::default()).await;
    let made = create(&node, json!({"name": "shop"})).await;
    assert_eq!((&made["name"], &made["state"]), (&json!("shop"), &json!("active")));
    assert_eq!((&made["allowed_hosts"], &made["secrets"]), (&json!([]), &json!([])));
    assert_eq!((&made["limits"], &made["retention_seconds"]), (&json!({}), &Value::Null));
    let again = node.post(ALL, json!({"name": "shop"}).to_string()).await;
    assert_eq!((again.status.as_u16(), again.json()), (200, made));
    let other = json!({"name": "shop", "allowed_hosts": null}).to_string();
    node.post(ALL, other).await.refused(409, "namespace_already_exists");
    let all = create(&node, json!({"name": "all", "allowed_hosts": null, "secrets": null})).await;
    assert_eq!((&all["allowed_hosts"], &all["secrets"]), (&Value::Null, &Value::Null));
    let default = node.get("/api/v1/namespaces/default").await.json();
    assert_eq!(default["secrets"], Value::Null, "it has what the server has");
}

#[tokio::test]
async fn a_change_names_what_is_to_be_another() {
    let node = Node::empty(Limits::default()).await;
    let limits = json!({"open_runs_max": 3, "start_rate": {"per_second": 2}});
    create(&node, json!({"name": "shop", "limits": limits, "secrets": ["KEY"]})).await;
    let change = json!({"limits": {"open_runs_max": null}, "retention_seconds": 60});
    let changed = node.patch(SHOP, change.to_string()).await.json();
    assert_eq!(changed["limits"], json!({"start_rate": {"per_second": 2.0, "burst": 2}}));
    assert_eq!((&changed["retention_seconds"], &changed["secrets"]), (&json!(60), &json!(["KEY"])));
    assert_eq!(node.get(SHOP).await.json(), changed);
    let nowhere = node.patch("/api/v1/namespaces/nowhere", "{}").await;
    nowhere.refused(404, "namespace_not_found");
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_and_change_nothing() {
    let node = Node::empty(Limits::default()).await;
    create(&node, json!({"name": "shop"})).await;
    let before = node.get(SHOP).await.json();
    for (change, code) in [
        (json!({"retention": 60}), "invalid_request"),
        (json!({"limits": {"runs": 1}}), "invalid_request"),
        (json!({"limits": {"open_runs_max": 0}}), "invalid_request"),
        (json!({"limits": {"open_runs_max": -1}}), "invalid_request"),
        (json!({"limits": [1]}), "invalid_request"),
        (json!({"limits": {"start_rate": {"per_second": 0}}}), "invalid_argument"),
        (json!({"retention_seconds": 0}), "invalid_argument"),
        (json!({"retention_seconds": u64::MAX}), "invalid_argument"),
        (json!({"allowed_hosts": ["https://example.com"]}), "invalid_argument"),
        (json!({"allowed_hosts": vec!["a"; 101]}), "invalid_argument"),
        (json!({"secrets": ["KEY=value"]}), "invalid_argument"),
    ] {
        node.patch(SHOP, change.to_string()).await.refused(400, code);
    }
    assert_eq!(node.get(SHOP).await.json(), before);
    for name in ["", ".", "..", "a b", &"x".repeat(256)] {
        let request = json!({ "name": name }).to_string();
        node.post(ALL, request).await.refused(400, "invalid_argument");
    }
    node.post(ALL, "").await.refused(400, "invalid_request");
}

#[tokio::test]
async fn namespaces_are_listed_page_by_page() {
    let node = Node::empty(Limits::default()).await;
    for name in ["b", "a"] {
        create(&node, json!({ "name": name })).await;
    }
    let mut names = Vec::new();
    let mut path = format!("{ALL}?limit=2");
    loop {
        let page = node.get(&path).await.json();
        let on_page = page["namespaces"].as_array().expect("a page").iter();
        names.extend(on_page.map(|it| it["name"].as_str().expect("a name").to_owned()));
        let Some(token) = page["next_page_token"].as_str() else { break };
        path = format!("{ALL}?limit=2&page_token={token}");
    }
    assert_eq!(names, ["a", "b", "default"]);
    node.get(&format!("{ALL}?limit=0")).await.refused(400, "invalid_argument");
    node.get(&format!("{ALL}?page_token=x")).await.refused(400, "invalid_argument");
}

#[tokio::test]
async fn a_deletion_repeats_the_name() {
    let node = Node::empty(Limits::default()).await;
    create(&node, json!({"name": "shop"})).await;
    node.delete(SHOP).await.refused(400, "invalid_argument");
    node.delete(&format!("{SHOP}?confirm=default")).await.refused(400, "invalid_argument");
    let default = node.delete("/api/v1/namespaces/default?confirm=default").await;
    default.refused(400, "invalid_argument");
    let deleted = node.delete(&format!("{SHOP}?confirm=shop")).await;
    assert_eq!((deleted.status.as_u16(), &deleted.json()["state"]), (202, &json!("deleting")));
    node.delete("/api/v1/namespaces/nowhere?confirm=nowhere")
        .await
        .refused(404, "namespace_not_found");
}
