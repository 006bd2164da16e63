//! Requests that activities send to a real server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;
use dacapo_host::{ActivityConfig, HostConfig, Secret};

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

/// Answers with the authorization that it got, or with that backwards.
async fn echo(backwards: bool) -> u16 {
    let answer = any(move |headers: HeaderMap| async move {
        let got = headers["authorization"].to_str().expect("text").to_owned();
        if backwards { got.chars().rev().collect() } else { got }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        axum::serve(listener, Router::new().fallback(answer)).await.expect("serves");
    });
    port
}

/// Everything may be reached; the secret goes to one port only.
fn bound_to(port: u16) -> HostConfig {
    let secret = Secret {
        value: "k-123-456".to_owned(),
        hosts: vec![format!("127.0.0.1:{port}")],
        headers: vec!["authorization".to_owned()],
    };
    let activities = ActivityConfig {
        allowed_hosts: vec!["*".to_owned()],
        secrets: BTreeMap::from([("SHOP_KEY".to_owned(), secret)]),
        ..ActivityConfig::default()
    };
    HostConfig { activities, ..config() }
}

fn request(port: u16, backwards: bool, fail: bool) -> String {
    format!(
        r#"{{"url": "http://127.0.0.1:{port}/", "secret": "SHOP_KEY", "backwards": {backwards},
            "fail": {fail}}}"#
    )
}

#[tokio::test]
async fn an_answer_that_says_a_secret_is_masked_before_the_guest_reads_it() {
    let port = echo(false).await;
    let input = request(port, false, false);
    let result = execute(bound_to(port), "steps", "authorized", &input).await.expect("a result");
    assert_eq!(text(&result), "\"Bearer *********\"");
}

#[tokio::test]
async fn a_secret_that_was_sent_packed_is_taken_out_of_results_and_failures() {
    let port = echo(true).await;
    let input = request(port, true, false);
    let result = execute(bound_to(port), "steps", "authorized", &input).await.expect("a result");
    assert_eq!(text(&result), "\"Bearer dacapo-secret:SHOP_KEY\"");
    let input = request(port, true, true);
    let failure = execute(bound_to(port), "steps", "authorized", &input).await.expect_err("fails");
    assert_eq!(failure.info.message, "Bearer dacapo-secret:SHOP_KEY");
}

#[tokio::test]
async fn a_secret_for_one_host_is_not_sent_to_another() {
    let port = echo(false).await;
    let input = request(port, false, false);
    let failure =
        execute(bound_to(port ^ 1), "steps", "authorized", &input).await.expect_err("refused");
    assert_eq!(failure.info.type_name, "HttpError", "{}", failure.info.message);
    assert!(!failure.info.non_retryable, "the binding may be there at the next attempt");
    let message = failure.info.message;
    assert!(message.contains("the secret `SHOP_KEY` is not bound to this host"), "{message}");
}

#[tokio::test]
async fn a_password_in_a_refused_url_is_in_no_failure() {
    let input = r#""http://me:pa55w0rd@127.0.0.1:1/""#;
    let failure = execute(allowing(&["*".to_owned()]), "steps", "fetch", input).await;
    let message = failure.expect_err("refused").info.message;
    assert!(message.contains("credentials") && !message.contains("pa55w0rd"), "{message}");
    let told = r#"{"type": "Told", "message": "can't reach http://me:pa55w0rd@h/ now"}"#;
    let failure = execute(config(), "steps", "fail", told).await.expect_err("fails");
    assert_eq!(failure.info.message, "can't reach http://***@h/ now");
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
        assert!(!failure.info.non_retryable, "it may be allowed at the next attempt");
    }
    assert!(server.requests().is_empty());
}
