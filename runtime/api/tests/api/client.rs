//! A node with its router, and a client of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use dacapo_api::{Access, ApiConfig, MemoryBudget, Oidc, OidcConfig, ServerNames};
use dacapo_model::limits::Limits;
use dacapo_model::namespace::NamespaceSettings;
use dacapo_model::time::Timestamp;
use dacapo_service::Runtime;
use dacapo_service::clock::{Clock as _, SystemClock};
use dacapo_service::config::ServiceConfig;
use dacapo_store::faulty::{Fault, FaultyStore, Operation};
use dacapo_store::memory::MemoryStore;
use futures::StreamExt as _;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::scripts::{self, ScriptedHost};

/// Where the namespace of the tests is.
pub(crate) const BASE: &str = "/api/v1/namespaces/default";

/// A node over a store in memory, that can be made to fail.
pub(crate) struct Node {
    router: Router,
    pub(crate) runtime: Arc<Runtime>,
    store_is_down: Arc<AtomicBool>,
    has_looked_for_keys: Arc<AtomicBool>,
}

/// The whole answer to a request.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Node {
    /// A node with a module that defines all scripts.
    pub(crate) async fn start() -> Self {
        let node = Self::empty(Limits::default()).await;
        let answer = node.put(&format!("{BASE}/modules/scripts"), scripts::ALL).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        node
    }

    /// A node without modules.
    pub(crate) async fn empty(limits: Limits) -> Self {
        Self::small(limits, 256 * 1024 * 1024).await
    }

    /// A node without modules, and with so much memory for requests.
    pub(crate) async fn small(limits: Limits, request_bytes: usize) -> Self {
        Self::with(limits, request_bytes, Access::Open).await
    }

    /// A node without modules that asks for keys.
    pub(crate) async fn guarded() -> Self {
        Self::with(Limits::default(), 256 * 1024 * 1024, Access::Keys).await
    }

    /// The same, and it takes tokens of a provider as well.
    pub(crate) async fn with_tokens(oidc: OidcConfig) -> Self {
        // As the process does that serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let oidc = Some(Arc::new(Oidc::new(oidc).expect("valid")));
        Self::with_all(Limits::default(), 256 * 1024 * 1024, Access::Keys, oidc).await
    }

    /// Makes a namespace, of which nothing is set.
    pub(crate) async fn make_namespace(&self, name: &str) {
        let name = name.parse().expect("valid");
        let made = self.runtime.create_namespace(name, NamespaceSettings::default()).await;
        made.expect("makes it");
    }

    /// The time of the node.
    pub(crate) fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    /// Whether the store was asked who may do what, or told who has done it.
    pub(crate) fn has_looked_for_keys(&self) -> bool {
        self.has_looked_for_keys.load(Ordering::SeqCst)
    }

    async fn with(limits: Limits, request_bytes: usize, access: Access) -> Self {
        Self::with_all(limits, request_bytes, access, None).await
    }

    async fn with_all(
        limits: Limits,
        request_bytes: usize,
        access: Access,
        oidc: Option<Arc<Oidc>>,
    ) -> Self {
        let store_is_down = Arc::new(AtomicBool::new(false));
        let has_looked_for_keys = Arc::new(AtomicBool::new(false));
        let (down, looked) = (store_is_down.clone(), has_looked_for_keys.clone());
        let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new()), move |call| {
            let of_access = [Operation::ApiKeys, Operation::ApiKeyChanges, Operation::AppendAudit];
            if of_access.contains(&call.operation) {
                looked.store(true, Ordering::SeqCst);
            }
            if down.load(Ordering::SeqCst) { Fault::Unavailable } else { Fault::None }
        }));
        let config = ServiceConfig { limits, ..ServiceConfig::default() };
        let runtime =
            Runtime::start(store.clone(), Arc::new(ScriptedHost), Arc::new(SystemClock), config)
                .await
                .expect("a node");
        let names = ServerNames { loopback: true, listed: Vec::new() };
        let memory = Arc::new(MemoryBudget::new(request_bytes));
        let router = dacapo_api::router(
            watch::channel(runtime.clone()).1,
            ApiConfig { names, memory, access, oidc, ..ApiConfig::default() },
        );
        Self { router, runtime, store_is_down, has_looked_for_keys }
    }

    /// From now on the store answers nothing.
    pub(crate) fn lose_store(&self) {
        self.store_is_down.store(true, Ordering::SeqCst);
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, Body::empty())).await
    }

    pub(crate) async fn put(&self, path: &str, body: &'static [u8]) -> Answer {
        self.send(request(Method::PUT, path, Body::from(body))).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(request(Method::DELETE, path, Body::empty())).await
    }

    /// Sends JSON text.
    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send_json(Method::POST, path, body).await
    }

    /// The same by PATCH.
    pub(crate) async fn patch(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send_json(Method::PATCH, path, body).await
    }

    async fn send_json(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let mut request = request(method, path, body.into());
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        self.send(request).await
    }

    /// Starts a run of a script and returns its run id.
    pub(crate) async fn start_run(&self, workflow: &str, workflow_id: &str) -> String {
        let body = json!({"workflow": workflow, "workflow_id": workflow_id});
        let answer = self.post(&format!("{BASE}/runs"), body.to_string()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer.json()["run_id"].as_str().expect("a run id").to_owned()
    }

    /// Starts a run of a script and waits until it has closed.
    pub(crate) async fn run_to_end(&self, workflow: &str, workflow_id: &str) -> String {
        let run_id = self.start_run(workflow, workflow_id).await;
        let result = self.get(&format!("{BASE}/runs/{workflow_id}/result?wait=60")).await;
        assert_eq!(result.status, StatusCode::OK, "{}", result.text());
        run_id
    }

    /// Follows a history live.
    pub(crate) async fn follow(&self, path: &str, last: Option<&str>) -> Events {
        let mut request = request(Method::GET, path, Body::empty());
        request.headers_mut().insert(header::ACCEPT, "text/event-stream".parse().expect("valid"));
        if let Some(last) = last {
            request.headers_mut().insert("last-event-id", last.parse().expect("valid"));
        }
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Events { stream: response.into_body().into_data_stream(), unread: String::new() }
    }
}

pub(crate) fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(path).body(body).expect("a request")
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("a text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// Checks the one shape of refusals, and returns it.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/json");
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["retryable"], status >= 500 || status == 429, "{body}");
        assert!(!body["message"].as_str().expect("a message").is_empty());
        assert!(body["details"].is_object(), "{body}");
        let id = self.headers["x-request-id"].to_str().expect("a text");
        assert_eq!(body["request_id"], id, "{body}");
        assert_eq!(body.as_object().expect("an object").len(), 5, "{body}");
        body
    }
}

/// A live history.
pub(crate) struct Events {
    stream: BodyDataStream,
    unread: String,
}

/// One message of a live history.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) id: Option<String>,
    pub(crate) event: String,
    pub(crate) data: Value,
}

impl Events {
    /// The next message; none once the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, rest)) = self.unread.split_once("\n\n") {
                let message = parse(message);
                self.unread = rest.to_owned();
                if let Some(message) = message {
                    return Some(message);
                }
                continue;
            }
            let chunk = self.stream.next().await?.expect("a chunk");
            self.unread.push_str(str::from_utf8(&chunk).expect("whole characters"));
        }
    }

    /// Reads until a message of this type, and returns it.
    pub(crate) async fn until(&mut self, event: &str) -> Message {
        loop {
            let message = self.next().await.unwrap_or_else(|| panic!("no {event} came"));
            if message.event == event {
                return message;
            }
        }
    }

    /// Reads to the end.
    pub(crate) async fn rest(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }
}

/// None for a comment, which keeps the connection alive.
fn parse(text: &str) -> Option<Message> {
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    let data = serde_json::from_str(&field("data")?).expect("JSON on one line");
    Some(Message { id: field("id"), event: field("event")?, data })
}
