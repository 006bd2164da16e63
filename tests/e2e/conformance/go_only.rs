//! What the Go SDK alone has to show: `net/http` over WASI, and options that can't be.

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::{get, post};
use dacapo_tests::{Database, Kind, Server};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::languages::go;

#[tokio::test]
async fn go_has_http_in_activities_only_and_refuses_options_that_can_not_be() {
    let database = Database::fresh(Kind::Sqlite).await;
    let server = Server::start(&database).await;
    let client = server.client();
    client.upload("conformance", go().await).await.ok(201);
    let url = service().await;

    let told = client.start("fetches", json!({ "url": url })).await.completed().await;
    assert_eq!((&told["echoed"], &told["timed_out"]), (&json!(true), &json!(true)), "{told}");
    assert_eq!(told["status"], "404 Not Found there is nothing", "{told}");
    let denied = told["denied"].as_str().unwrap_or_default();
    assert!(denied.contains("not-allowed.example") && denied.contains("--allow-host"), "{told}");

    let told = client.start("fetches_itself", json!({ "url": url })).await.completed().await;
    assert!(told.as_str().is_some_and(|told| told.contains("activit")), "{told}");

    let told = client.start("retries_before", Value::Null).await.completed().await;
    let expected = [
        "InvalidInput: activity `noop`: the retry policy has a negative InitialInterval: -1s",
        "InvalidInput: workflow `square`: the retry policy has a negative InitialInterval: -1s",
        "InvalidInput: activity `noop`: the retry policy has a negative MaximumInterval: -1ns",
        "InvalidInput: workflow `square`: the retry policy has a negative MaximumInterval: -1ns",
    ];
    assert_eq!(told, json!(expected));
    server.stop().await;
}

/// Sends back what it gets, or never answers.
async fn service() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let routes = Router::new()
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/never", get(std::future::pending::<StatusCode>))
        .fallback(|| async { (StatusCode::NOT_FOUND, [("x-said", "there is nothing")]) });
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}
