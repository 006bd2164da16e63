//! Requests that activities send to a real server.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;
use dacapo_host::{ActivityConfig, HostConfig};

use crate::support::{config, execute, text};

/// A server on a free port that keeps the headers of what it was sent.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<(HeaderMap, String)>>>,
}

impl Server {
    async fn start() -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let answer = any(move |headers: HeaderMap, body: String| async move {
            seen.lock().expect("not poisoned").push((headers, body));
            (StatusCode::OK, "thanks")
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(answer)).await.expect("serves");
        });
        Self { port, requests }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/charges", self.port)
    }

    fn requests(&self) -> Vec<(HeaderMap, String)> {
        self.requests.lock().expect("not poisoned").clone()
    }
}

fn allowing(hosts: &[String]) -> HostConfig {
    let activities = ActivityConfig { allowed_hosts: hosts.to_vec(), ..ActivityConfig::default() };
    HostConfig { activities, ..config() }
}

#[tokio::test]
async fn an_allowed_host_is_reached() {
    let server = Server::start().await;
    let allowed = [format!("127.0.0.1:{}", server.port)];
    let input = format!("{:?}", server.url());
    let result = execute(allowing(&allowed), "steps", "fetch", &input).await.expect("a response");
    assert_eq!(text(&result), r#"{"status":200,"body":"thanks"}"#);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn another_host_or_port_is_refused_and_nothing_is_sent() {
    let server = Server::start().await;
    let other_port = format!("127.0.0.1:{}", server.port ^ 1);
    for allowed in [vec![], vec!["example.com".to_owned()], vec![other_port]] {
        let input = format!("{:?}", server.url());
        let failure =
            execute(allowing(&allowed), "steps", "fetch", &input).await.expect_err("refused");
        assert_eq!(failure.info.type_name, "HttpError", "{}", failure.info.message);
        assert!(failure.info.message.contains("allowed hosts"), "{}", failure.info.message);
    }
    assert!(server.requests().is_empty());
}
