//! What all requests together may hold.

use axum::body::Body;
use axum::http::{HeaderValue, Method, header};
use bytes::Bytes;
use dacapo_api::SharedConnection;
use dacapo_model::limits::Limits;
use futures::{StreamExt as _, poll, stream};
use serde_json::{Value, json};

use crate::client::{BASE, Node, request};
use crate::scripts;

const MIB: usize = 1024 * 1024;

/// A node with room for one large request.
async fn small_node() -> Node {
    let node = Node::small(Limits::default(), 4 * MIB).await;
    assert_eq!(node.put(&format!("{BASE}/modules/scripts"), scripts::ALL).await.status, 201);
    node
}

fn start_of(bytes: usize) -> String {
    json!({"workflow": "echo", "input": "x".repeat(bytes)}).to_string()
}

#[tokio::test]
async fn what_finds_no_room_is_refused_and_may_come_again() {
    let node = small_node().await;
    let runs = format!("{BASE}/runs");
    // It announces much, sends a little, and does not go on.
    let stalls =
        stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]).chain(stream::pending());
    let mut large = request(Method::POST, &runs, Body::from_stream(stalls));
    let headers = large.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("1000000"));
    let mut large = Box::pin(node.send(large));
    assert!(poll!(&mut large).is_pending(), "it waits for the rest of the body");

    // What is small gets through; what is not waits, and gets the room of the one that
    // does not go on.
    assert_eq!(node.post(&runs, start_of(1000)).await.status, 201);
    let (stalled, started) = tokio::join!(large, node.post(&runs, start_of(500_000)));
    let refused = stalled.refused(503, "overloaded");
    assert_eq!(stalled.headers[header::RETRY_AFTER], "1");
    assert!(refused["message"].as_str().expect("a message").contains("nothing was done"));
    assert_eq!(started.status, 201);
}

#[tokio::test]
async fn requests_that_share_a_connection_have_room_of_their_own_each() {
    let node = small_node().await;
    node.start_run("wait", "w").await;
    let shared = |path: &str| {
        let mut request = request(Method::GET, path, Body::empty());
        request.extensions_mut().insert(SharedConnection);
        Box::pin(node.send(request))
    };
    // 1 MiB is for small requests.
    let path = format!("{BASE}/runs/w/result?wait=30");
    let mut waits: Vec<_> = (0..50).map(|_| shared(&path)).collect();
    for wait in &mut waits {
        assert!(poll!(wait).is_pending());
    }
    let mut one_more = shared("/health/live");
    tokio::select! {
        biased;
        _ = &mut one_more => panic!("there is no room"),
        answer = node.get("/health/live") => assert_eq!(answer.status, 200),
    }
    drop(waits);
    assert_eq!(one_more.await.status, 200);
}

#[tokio::test]
async fn a_history_is_answered_in_pages_of_bounded_bytes() {
    let node = Node::start().await;
    node.start_run("wait", "w").await;
    for _ in 0..5 {
        let body = json!({"input": "x".repeat(700_000)}).to_string();
        let path = format!("{BASE}/runs/w/signals/s");
        assert_eq!(node.post(&path, body).await.status, 202);
    }
    let (mut from, mut ids) = (json!(1), Vec::new());
    while !from.is_null() {
        let page = node.get(&format!("{BASE}/runs/w/history?limit=1000&from={from}")).await;
        assert!(page.body.len() < 3 * MIB, "{}", page.body.len());
        let page: Value = page.json();
        let events = page["events"].as_array().expect("events");
        ids.extend(events.iter().map(|event| event["event_id"].as_u64().expect("an id")));
        from = page["next"].clone();
    }
    assert!(ids.iter().copied().eq(1..=ids.len() as u64), "{ids:?}");
    assert!(ids.len() >= 6);
}
