//! A client of the HTTP API that shows everything, also what goes wrong.

use std::net::SocketAddr;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Body, ClientBuilder, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::guests::guest;
use crate::server::Server;
use crate::sse::EventStream;
use crate::wait::eventually;

const NAMESPACE: &str = "/api/v1/namespaces/default/";

/// Speaks to one server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Its address with the scheme.
    server: String,
}

/// What the server said.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    async fn read(response: Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("the body is not JSON: {error}: {self:?}"))
    }

    /// The body, if the status is this one.
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// The body of an error, in the shape that all errors have.
    pub fn error(&self, status: u16, code: &str) -> Value {
        let body = self.ok(status);
        assert_eq!(body["code"], code, "{body}");
        assert!(body["message"].as_str().is_some_and(|message| message.len() > 10), "{body}");
        assert!(body["retryable"].is_boolean() && body["details"].is_object(), "{body}");
        assert_eq!(body["request_id"], self.headers["x-request-id"].to_str().unwrap_or("none"));
        assert_eq!(body.as_object().map(|fields| fields.len()), Some(5), "{body}");
        assert_eq!(self.headers["content-type"], "application/json");
        body
    }
}

impl Client {
    /// Of the server at this address.
    pub fn new(server: SocketAddr) -> Self {
        // Every test program needs one provider; an error means there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { http, server: format!("http://{server}") }
    }

    /// Over TLS, with whom this builder trusts.
    pub fn over_tls(server: SocketAddr, http: ClientBuilder) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = http.no_proxy().build().expect("a client");
        Self { http, server: format!("https://{server}") }
    }

    /// A request; a path without a slash in front is below the namespace.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let folder = if path.starts_with('/') { "" } else { NAMESPACE };
        self.http.request(method, format!("{}{folder}{path}", self.server))
    }

    /// Sends a request that may find nobody.
    pub async fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        Answer::read(request.send().await?).await
    }

    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.expect("the server answers")
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// A POST of this text, which is said to be JSON.
    pub fn post_text(&self, path: &str, text: impl Into<Body>) -> RequestBuilder {
        self.request(Method::POST, path).header("content-type", "application/json").body(text)
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// PATCH of JSON.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    /// Uploads bytes as a module.
    pub async fn upload(&self, name: &str, bytes: Bytes) -> Answer {
        self.send(self.request(Method::PUT, &format!("modules/{name}")).body(bytes)).await
    }

    /// Registers search attributes: names and types.
    pub async fn register(&self, attributes: &[(&str, &str)]) {
        for (name, attribute_type) in attributes {
            let request = json!({"name": name, "type": attribute_type});
            let answer = self.post("search-attributes", &request).await;
            assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        }
    }

    /// Uploads guests under their own names.
    pub async fn upload_guests(&self, names: &[&str]) {
        for name in names {
            self.upload(name, guest(name)).await.ok(201);
        }
    }

    /// Starts a run of a workflow.
    pub async fn start(&self, workflow: &str, input: Value) -> Run {
        self.start_with(&json!({ "workflow": workflow, "input": input })).await
    }

    /// Starts a run with this request.
    pub async fn start_with(&self, request: &Value) -> Run {
        let started = self.post("runs", request).await.ok(201);
        assert_eq!(started["started"], true, "{started}");
        self.run(text(&started["workflow_id"]), text(&started["run_id"]))
    }

    /// A run by its ids.
    pub fn run(&self, workflow_id: &str, run_id: &str) -> Run {
        Run { client: self.clone(), workflow_id: workflow_id.into(), run_id: run_id.into() }
    }
}

/// One run.
#[derive(Debug, Clone)]
pub struct Run {
    client: Client,
    /// The caller's name for it.
    pub workflow_id: String,
    /// Its id.
    pub run_id: String,
}

impl Run {
    /// The same run on another server.
    #[must_use]
    pub fn on(&self, server: &Server) -> Self {
        server.client().run(&self.workflow_id, &self.run_id)
    }

    fn path(&self, rest: &str) -> String {
        let separator = if rest.contains('?') { '&' } else { '?' };
        format!("runs/{}{rest}{separator}run_id={}", self.workflow_id, self.run_id)
    }

    /// Waits until it is closed, and returns how it ended, whatever follows it.
    pub async fn result(&self) -> Value {
        self.result_of("follow=false").await
    }

    /// Waits until the last of the runs that follow it is closed, and returns how that
    /// one ended.
    pub async fn last_result(&self) -> Value {
        self.result_of("follow=true").await
    }

    async fn result_of(&self, which: &str) -> Value {
        loop {
            let answer = self.client.get(&self.path(&format!("/result?wait=30&{which}"))).await;
            match answer.status {
                200 => return answer.json(),
                _ => assert_ne!(answer.ok(202)["status"], "blocked", "{:?}", self.describe().await),
            }
        }
    }

    /// Waits until it has completed, and returns its result.
    pub async fn completed(&self) -> Value {
        let result = self.result().await;
        assert_eq!(result["status"], "completed", "{result}");
        result["result"].clone()
    }

    /// Waits until it has failed, and returns the failure.
    pub async fn failed(&self) -> Value {
        let result = self.result().await;
        assert_eq!(result["status"], "failed", "{result}");
        result["failure"].clone()
    }

    /// Waits until it is blocked, and returns the report.
    pub async fn blocked(&self) -> Value {
        eventually("the run is blocked", async || {
            let description = self.describe().await;
            match description["status"].as_str() {
                Some("running") => None,
                Some("blocked") => Some(description["blocked"].clone()),
                _ => panic!("the run is not blocked, but closed: {description}"),
            }
        })
        .await
    }

    /// What is known of it.
    pub async fn describe(&self) -> Value {
        self.client.get(&self.path("")).await.ok(200)
    }

    /// The same, whatever the answer, and if there is one.
    pub async fn try_describe(&self) -> reqwest::Result<Answer> {
        self.client.try_send(self.client.request(Method::GET, &self.path(""))).await
    }

    /// Cancel, terminate or retry.
    pub async fn act(&self, verb: &str, body: &Value) -> Answer {
        self.client.post(&self.path(&format!("/{verb}")), body).await
    }

    /// Its events so far, read page by page.
    pub async fn history(&self) -> Vec<Value> {
        let (mut events, mut from) = (Vec::new(), 1);
        loop {
            let path = self.path(&format!("/history?from={from}&limit=5"));
            let mut page = self.client.get(&path).await.ok(200);
            assert_eq!(page["run_id"], self.run_id.as_str(), "{page}");
            events.append(page["events"].as_array_mut().expect("a page has events"));
            match page["next"].as_u64() {
                Some(next) => from = next,
                None => return events,
            }
        }
    }

    /// Its events live, after the one with this id.
    pub async fn follow(&self, last: Option<u64>) -> EventStream {
        let request = match last {
            Some(last) => self.live().header("last-event-id", last.to_string()),
            None => self.live(),
        };
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status().as_u16(), 200, "{response:?}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        EventStream::new(response)
    }

    /// Its events live, if the server does not die over the request.
    pub async fn try_follow(&self) -> Option<EventStream> {
        let response = self.live().send().await.ok()?;
        assert_eq!(response.status().as_u16(), 200, "{response:?}");
        Some(EventStream::new(response))
    }

    fn live(&self) -> RequestBuilder {
        let request = self.client.request(Method::GET, &self.path("/history"));
        request.header("accept", "text/event-stream")
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text was expected, not {value}"))
}
