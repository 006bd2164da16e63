//! The description and the routes belong together.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, header};
use serde_json::Value;

use crate::client::{Node, request};

#[tokio::test]
async fn the_server_sends_the_document_it_was_built_with() {
    let node = Node::start().await;
    let answer = node.get("/api/v1/openapi.json").await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    let built = serde_json::to_value(dacapo_api::openapi()).expect("JSON");
    assert_eq!((answer.status.as_u16(), answer.json()), (200, built));
}

#[tokio::test]
async fn every_operation_of_the_document_is_served() {
    let node = Node::start().await;
    let document = serde_json::to_value(dacapo_api::openapi()).expect("JSON");
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let path = path
            .replace("{namespace}", "default")
            .replace("{workflow_id}", "none")
            .replace("{name}", "none");
        for (method, operation) in item.as_object().expect("operations") {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let answer = node
                .send(request(method.clone(), &path, Body::from("refuse module_invalid")))
                .await;
            let code = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
            let code = code["code"].as_str().unwrap_or_default();
            let unserved = matches!(code, "route_not_found" | "method_not_allowed");
            assert!(!unserved, "{method} {path}: {code}");
            let name = operation["operationId"].as_str().expect("a name");
            assert!(names.insert(name.to_owned()), "{name} names two operations");
        }
    }
    for name in ["upload_module", "start_run", "signal_run", "get_run_history", "check_ready"] {
        assert!(names.contains(name), "{name} is missing");
    }
}
