//! A cheap client: one connection, one request at a time, no more parsing than
//! is needed. It shares the machine with the server that it measures.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::net::TcpStream;

const NAMESPACE: &str = "/api/v1/namespaces/default/";

/// A connection to a server. Only for requests in quick succession: the server
/// closes one that is idle.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

/// What the server said.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON, if the status is one of success.
    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        if !self.status.is_success() {
            bail!("the server answers {}: {}", self.status, String::from_utf8_lossy(&self.body));
        }
        serde_json::from_slice(&self.body)
            .with_context(|| format!("unexpected: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// The fields of a start or a result that are looked at.
#[derive(Deserialize)]
pub(crate) struct RunAnswer {
    pub(crate) workflow_id: String,
    pub(crate) status: Option<String>,
}

impl RunAnswer {
    pub(crate) fn is_completed(&self) -> bool {
        self.status.as_deref() == Some("completed")
    }
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server)
            .await
            .with_context(|| format!("can't connect to {server}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its errors come to the requests.
        tokio::spawn(connection);
        Ok(Self { sender, host: HeaderValue::try_from(server.to_string())? })
    }

    /// Sends a request; the path is below the namespace.
    pub(crate) async fn send(&mut self, method: Method, path: &str, body: Bytes) -> Result<Answer> {
        self.sender.ready().await?;
        let content = if method == Method::PUT { "application/wasm" } else { "application/json" };
        let request = Request::builder()
            .method(method)
            .uri(format!("{NAMESPACE}{path}"))
            .header(HOST, self.host.clone())
            .header(CONTENT_TYPE, content)
            .body(Full::new(body))?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, body })
    }

    /// GET.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// Uploads the module.
    pub(crate) async fn upload(&mut self, name: &str, component: Bytes) -> Result<()> {
        let answer = self.send(Method::PUT, &format!("modules/{name}"), component).await?;
        answer.json::<Value>().context("the module is refused").map(drop)
    }

    /// Starts a run with a body that [`start_body`] made. Returns when the start
    /// is durable.
    pub(crate) async fn start(&mut self, body: Bytes) -> Result<RunAnswer> {
        self.send(Method::POST, "runs", body).await?.json()
    }

    /// Starts a run and waits until it has completed.
    pub(crate) async fn complete(&mut self, body: Bytes) -> Result<RunAnswer> {
        let answer = self.send(Method::POST, "runs?wait=300", body).await?;
        let run: RunAnswer = answer.json()?;
        ensure!(run.is_completed(), "not completed: {}", String::from_utf8_lossy(&answer.body));
        Ok(run)
    }

    /// Waits until a run has completed.
    pub(crate) async fn completion(&mut self, workflow_id: &str) -> Result<()> {
        let answer = self.get(&format!("runs/{workflow_id}/result?wait=300")).await?;
        ensure!(
            answer.json::<RunAnswer>()?.is_completed(),
            "not completed: {}",
            String::from_utf8_lossy(&answer.body)
        );
        Ok(())
    }

    /// Sends a run a signal. Returns when it is durable.
    pub(crate) async fn signal(
        &mut self,
        workflow_id: &str,
        name: &str,
        body: &Value,
    ) -> Result<()> {
        let path = format!("runs/{workflow_id}/signals/{name}");
        let answer = self.send(Method::POST, &path, body.to_string().into()).await?;
        answer.json::<IgnoredAny>().map(drop)
    }

    /// What is known of a run.
    pub(crate) async fn describe(&mut self, workflow_id: &str) -> Result<Value> {
        self.get(&format!("runs/{workflow_id}")).await?.json()
    }
}

/// The body of a start.
pub(crate) fn start_body(workflow: &str, input: &Value) -> Bytes {
    json!({ "workflow": workflow, "input": input }).to_string().into()
}

/// The body of a start under a workflow id.
pub(crate) fn named_start_body(workflow: &str, workflow_id: &str, input: &Value) -> Bytes {
    json!({ "workflow": workflow, "workflow_id": workflow_id, "input": input }).to_string().into()
}
