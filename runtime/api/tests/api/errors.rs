//! What is refused whatever the route. The codes that belong to one route are
//! tested with it.

use axum::body::Body;
use axum::http::{Method, header};

use crate::client::{BASE, Node, request};

#[tokio::test]
async fn an_unknown_route_is_refused_in_the_one_shape() {
    let node = Node::start().await;
    for path in ["/", "/api/v2/namespaces", "/api/v1/namespaces/default/runs/", "/favicon.ico"] {
        node.get(path).await.refused(404, "route_not_found");
    }
}

/// Before the rest of the request is looked at, and whatever the node can do.
#[tokio::test]
async fn an_unknown_namespace_is_refused_before_anything_else() {
    let node = Node::start().await;
    let nowhere = "/api/v1/namespaces/nowhere";
    let refused = async || {
        for path in ["modules", "runs", "runs/w", "runs/w/history", "runs/w/result?wait=soon"] {
            node.get(&format!("{nowhere}/{path}")).await.refused(404, "namespace_not_found");
        }
        for path in ["runs", "runs/w/signals/go", "runs/w/cancel", "activities/heartbeat"] {
            let answer = node.post(&format!("{nowhere}/{path}"), "no JSON").await;
            answer.refused(404, "namespace_not_found");
        }
        let module = node.put(&format!("{nowhere}/modules/m"), b"echo").await;
        module.refused(404, "namespace_not_found");
    };
    refused().await;
    node.runtime.begin_shutdown();
    refused().await;
}

#[tokio::test]
async fn every_answer_names_its_request_and_errors_repeat_it() {
    let node = Node::start().await;
    let with_id = async |path: &str, id: &str| {
        let mut request = request(Method::GET, path, Body::empty());
        request.headers_mut().insert("x-request-id", id.parse().expect("a header"));
        let answer = node.send(request).await;
        let answered = answer.headers["x-request-id"].to_str().expect("text").to_owned();
        (answered, answer)
    };
    let (theirs, answer) = with_id(&format!("{BASE}/runs"), "trace-17/b.2").await;
    assert_eq!((theirs.as_str(), answer.status.as_u16()), ("trace-17/b.2", 200));
    let (theirs, answer) = with_id("/nowhere", "trace-18").await;
    assert_eq!(
        (theirs.as_str(), answer.json()["request_id"].as_str()),
        ("trace-18", Some("trace-18"))
    );

    let long = "x".repeat(65);
    for unfit in ["", "a b", "a\"b", long.as_str()] {
        let (ours, answer) = with_id("/nowhere", unfit).await;
        assert_eq!(ours.len(), 32, "{unfit:?} became {ours:?}");
        assert_eq!(answer.json()["request_id"], ours);
    }
    let first = node.get("/health/live").await.headers["x-request-id"].clone();
    assert_ne!(node.get("/health/live").await.headers["x-request-id"], first);
}

#[tokio::test]
async fn a_wrong_method_is_refused_with_the_right_ones() {
    let node = Node::start().await;
    let answer = node.send(request(Method::DELETE, &format!("{BASE}/runs"), Body::empty())).await;
    answer.refused(405, "method_not_allowed");
    let allowed = answer.headers[header::ALLOW].to_str().expect("a text");
    for method in ["GET", "POST"] {
        assert!(allowed.contains(method), "{allowed}");
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_makes_the_server_unavailable() {
    let node = Node::start().await;
    node.run_to_end("echo", "w").await;
    node.lose_store();
    for path in ["runs", "runs/w", "runs/w/result", "runs/w/history"] {
        let answer = node.get(&format!("{BASE}/{path}")).await;
        answer.refused(503, "unavailable");
        assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    }
    node.put(&format!("{BASE}/modules/m"), b"echo").await.refused(503, "unavailable");
}

#[tokio::test]
async fn a_stopping_node_takes_no_new_work() {
    let node = Node::start().await;
    node.runtime.begin_shutdown();
    let body = r#"{"workflow": "echo"}"#;
    node.post(&format!("{BASE}/runs"), body).await.refused(503, "unavailable");
    node.put(&format!("{BASE}/modules/m"), b"echo").await.refused(503, "unavailable");
}

#[tokio::test]
async fn a_stopping_node_answers_those_who_wait() {
    let node = Node::start().await;
    node.start_run("wait", "w").await;
    let path = format!("{BASE}/runs/w/result?wait=300");
    let stop = async { node.runtime.begin_shutdown() };
    let (answer, ()) = tokio::join!(node.get(&path), stop);
    assert_eq!((answer.status.as_u16(), answer.json()["status"].as_str()), (202, Some("running")));
}
