//! Whether the process lives and is ready.

use serde_json::json;

use crate::client::Node;

#[tokio::test]
async fn a_node_is_ready_while_it_serves_and_lives_in_any_case() {
    let node = Node::start().await;
    let ready = node.get("/health/ready").await;
    assert_eq!((ready.status.as_u16(), ready.json()), (200, json!({"status": "ready"})));
    node.runtime.begin_shutdown();
    node.get("/health/ready").await.refused(503, "unavailable");
    let live = node.get("/health/live").await;
    assert_eq!((live.status.as_u16(), live.json()), (200, json!({"status": "live"})));
}

#[tokio::test]
async fn a_node_without_its_store_is_not_ready() {
    let node = Node::start().await;
    node.lose_store();
    node.get("/health/ready").await.refused(503, "unavailable");
}
