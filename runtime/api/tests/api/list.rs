//! Lists of runs.

use serde_json::Value;

use crate::client::{BASE, Node};

fn ids(page: &Value) -> Vec<&str> {
    let runs = page["runs"].as_array().expect("runs");
    runs.iter().map(|run| run["workflow_id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_the_newest_first() {
    let node = Node::start().await;
    for id in ["a", "b", "c", "d", "e"] {
        node.run_to_end("echo", id).await;
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    let mut pages = 0;
    loop {
        let page = node.get(&format!("{BASE}/runs?limit=2{token}")).await.json();
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        pages += 1;
        match page.get("next_page_token") {
            Some(next) => token = format!("&page_token={}", next.as_str().expect("a token")),
            None => break,
        }
    }
    assert_eq!((seen.concat().as_str(), pages), ("edcba", 3));
}

#[tokio::test]
async fn conditions_hold_together_and_a_status_may_be_repeated() {
    let node = Node::start().await;
    node.run_to_end("echo", "done").await;
    node.run_to_end("fail", "failed").await;
    node.start_run("wait", "open").await;
    let list = async |query: &str| {
        let page = node.get(&format!("{BASE}/runs?{query}")).await;
        assert_eq!(page.status, 200, "{}", page.text());
        ids(&page.json()).join(" ")
    };
    assert_eq!(list("").await, "open failed done");
    assert_eq!(list("status=running").await, "open");
    assert_eq!(list("status=completed&status=failed").await, "failed done");
    assert_eq!(list("workflow_type=wait").await, "open");
    assert_eq!(list("workflow_id=done").await, "done");
    assert_eq!(list("workflow_id=done&status=failed").await, "");
    assert_eq!(list("started_from=2100-01-01T00:00:00Z").await, "");
    assert_eq!(list("started_before=2100-01-01T01:00:00%2B01:00").await, "open failed done");
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_by_name() {
    let node = Node::start().await;
    let refused = async |query: &str, parameter: &str| {
        let answer = node.get(&format!("{BASE}/runs?{query}")).await;
        let refused = answer.refused(400, "invalid_argument");
        let message = refused["message"].as_str().expect("a message");
        assert!(message.contains(parameter), "{query}: {message}");
    };
    refused("status=runing", "status").await;
    refused("limit=0", "limit").await;
    refused("limit=1001", "limit").await;
    refused("limit=many", "limit").await;
    refused("started_from=yesterday", "started_from").await;
    refused("page_token=abc", "page token").await;
    refused("pagetoken=abc", "pagetoken").await;
    refused("limit=1&limit=2", "limit").await;
    let nowhere = node.get("/api/v1/namespaces/nowhere/runs").await;
    nowhere.refused(404, "namespace_not_found");
}

#[tokio::test]
async fn a_page_token_is_good_for_its_own_list_only() {
    let node = Node::start().await;
    for id in ["a", "b", "c"] {
        node.run_to_end("echo", id).await;
    }
    let page = node.get(&format!("{BASE}/runs?limit=1&status=completed")).await.json();
    let token = page["next_page_token"].as_str().expect("a token");
    let next = node.get(&format!("{BASE}/runs?limit=2&status=completed&page_token={token}")).await;
    assert_eq!(ids(&next.json()), ["b", "a"]);
    for other in ["", "&status=failed", "&status=completed&filter=ORDER%20BY%20WorkflowId"] {
        let answer = node.get(&format!("{BASE}/runs?page_token={token}{other}")).await;
        let refused = answer.refused(400, "invalid_argument");
        assert!(refused["message"].as_str().is_some_and(|it| it.contains("another list")));
    }
}

#[tokio::test]
async fn a_filter_holds_beside_the_other_conditions_and_orders_the_list() {
    let node = Node::start().await;
    node.run_to_end("echo", "done").await;
    node.run_to_end("fail", "failed").await;
    node.start_run("wait", "open").await;
    let list = async |query: &str| {
        let page = node.get(&format!("{BASE}/runs?{query}")).await;
        assert_eq!(page.status, 200, "{}", page.text());
        ids(&page.json()).join(" ")
    };
    assert_eq!(list("filter=CloseTime%20IS%20NOT%20NULL&status=failed").await, "failed");
    assert_eq!(list("filter=ORDER%20BY%20WorkflowId").await, "done failed open");
    let count = node.get(&format!("{BASE}/run-count?group_by=ExecutionStatus")).await.json();
    assert_eq!((&count["count"], count["groups"].as_array().map(Vec::len)), (&3.into(), Some(3)));
    let wrong = node.get(&format!("{BASE}/runs?filter=CloseTime%20IS")).await;
    assert_eq!(wrong.refused(400, "filter_invalid")["details"]["column"], "13");
}
