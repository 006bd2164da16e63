//! A server that does as a test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use dacapo_worker::Connection;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Longest wait for something that is to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What goes wrong with a request.
pub(crate) enum Fault {
    /// It is done, and the connection is cut before the answer.
    Cut,
    /// It is refused.
    Refused(StatusCode, &'static str),
}

/// What there is to give out, and what the worker has said.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) tasks: VecDeque<Value>,
    pub(crate) polls: Vec<Value>,
    /// One list for each request.
    pub(crate) heartbeats: Vec<Vec<Value>>,
    pub(crate) reports: Vec<Value>,
    pub(crate) authorization: Option<String>,
    /// For the next requests to paths that end so.
    pub(crate) faults: VecDeque<(&'static str, Fault)>,
    /// The answer to each heartbeat.
    pub(crate) heard: Option<Value>,
}

/// A server that does as a test says.
pub(crate) struct Server {
    seen: Mutex<Seen>,
    changed: watch::Sender<()>,
}

impl Server {
    /// Starts one. It ends with the test.
    pub(crate) async fn start() -> (Arc<Self>, Connection) {
        let server = Arc::new(Self { seen: Mutex::default(), changed: watch::Sender::new(()) });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(answer).with_state(Arc::clone(&server));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let connection = Connection::new(&format!("http://{address}")).expect("an address");
        (server, connection)
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no test panicked with it")
    }

    /// Changes what there is.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen());
        self.changed.send_replace(());
    }

    pub(crate) fn give(&self, tasks: impl IntoIterator<Item = Value>) {
        self.change(|seen| seen.tasks.extend(tasks));
    }

    pub(crate) fn fail_next(&self, path: &'static str, fault: Fault) {
        self.change(|seen| seen.faults.push_back((path, fault)));
    }

    /// Returns once `condition` holds.
    pub(crate) async fn wait_for(&self, condition: impl Fn(&Seen) -> bool) {
        let mut changed = self.changed.subscribe();
        let holds = async {
            while !condition(&self.seen()) {
                changed.changed().await.expect("the server is there");
            }
        };
        tokio::time::timeout(PATIENCE, holds).await.expect("what the test waits for");
    }

    /// The report of a task.
    pub(crate) async fn report(&self, token: &str) -> Value {
        let is_it = |report: &&Value| report["token"] == token;
        self.wait_for(|seen| seen.reports.iter().any(|report| is_it(&report))).await;
        self.seen().reports.iter().find(is_it).cloned().expect("it is there")
    }

    async fn polled(&self, request: &Value) -> Value {
        let wait = Duration::from_secs_f64(request["wait_seconds"].as_f64().expect("a number"));
        let most = request["max_tasks"].as_u64().expect("a number");
        let mut changed = self.changed.subscribe();
        let some = async {
            while self.seen().tasks.is_empty() {
                changed.changed().await.expect("the server is there");
            }
        };
        let _ = tokio::time::timeout(wait, some).await;
        let mut seen = self.seen();
        let count = seen.tasks.len().min(usize::try_from(most).expect("not so many"));
        json!({"tasks": seen.tasks.drain(..count).collect::<Vec<_>>()})
    }
}

async fn answer(
    State(server): State<Arc<Server>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path();
    let request: Value = serde_json::from_slice(&body).expect("JSON");
    let fault = {
        let mut seen = server.seen();
        let is_for_this = seen.faults.front().is_some_and(|(end, _)| path.ends_with(end));
        if is_for_this { seen.faults.pop_front().map(|(_, fault)| fault) } else { None }
    };
    if let Some(Fault::Refused(status, code)) = fault {
        let error = json!({"code": code, "message": "as the test says", "retryable": false});
        return (status, [(header::RETRY_AFTER, "0")], error.to_string()).into_response();
    }
    let authorization = headers.get(header::AUTHORIZATION);
    let authorization = authorization.map(|value| value.to_str().expect("text").to_owned());
    server.change(|seen| seen.authorization = authorization);
    let list = |name: &str| request[name].as_array().cloned().unwrap_or_default();
    let answer = if path.ends_with("/poll") {
        server.change(|seen| seen.polls.push(request.clone()));
        server.polled(&request).await
    } else if path.ends_with("/heartbeats") {
        let sent = list("heartbeats");
        let held = json!({"held": true, "cancel_requested": false, "paused": false});
        let heard = server.seen().heard.clone().unwrap_or(held);
        let results = vec![heard; sent.len()];
        server.change(|seen| seen.heartbeats.push(sent));
        json!({"results": results})
    } else {
        let sent = list("reports");
        let results = vec![json!({"recorded": true}); sent.len()];
        server.change(|seen| seen.reports.extend(sent));
        json!({"results": results})
    };
    if matches!(fault, Some(Fault::Cut)) {
        // Ends the connection, without the words of a panic.
        std::panic::resume_unwind(Box::new(()));
    }
    answer.to_string().into_response()
}

/// A task of the activity `activity_type` with a lease of `lease` seconds.
pub(crate) fn task(token: &str, activity_type: &str, input: Value, lease: f64) -> Value {
    json!({
        "token": token, "workflow_id": "w", "run_id": "r", "workflow_type": "W",
        "operation_id": 7, "activity_type": activity_type, "attempt": 1, "input": input,
        "scheduled_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-01T00:00:00Z",
        "lease_until": "2026-01-01T00:00:30Z", "lease_seconds": lease,
        "start_to_close_timeout_seconds": 3600, "priority": 3,
        "trace_context": {"traceparent": "00-1-2-01"},
    })
}
