//! A client of the HTTP API. It keeps the server's answers as they came, so that
//! `--output json` can show exactly those, and reads from them what people see.

mod access;
mod error;
mod history;
mod patience;
mod request;
mod schedules;
mod scheme;
mod sse;
mod tls;
mod token;
pub mod wire;

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::error::{ClientError, Refusal};
pub use self::history::HistoryStream;
pub use self::patience::Patience;
pub(crate) use self::patience::now;
pub use self::request::{
    ActivityAddress, QueryBody, RunAddress, SignalBody, StartActivityBody, StartActivityOptions,
    StartBody, StartOptions, StartSignal, UpdateBody,
};
pub use self::tls::{ClientTls, ClientTlsFlags};
pub use self::token::ApiToken;

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait for an answer that should come at once. Compiling a large
/// module takes the longest.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Longest wait that one request asks the server for. A longer one is made of
/// several, so that proxies on the way don't cut it.
const POLL_SECONDS_MAX: f64 = 30.0;

/// Bytes of an answer. A payload is in it twice at most.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Speaks to one namespace of one server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    server: Url,
    namespace: String,
}

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// True for 202: accepted, but not finished.
    pub is_pending: bool,
    /// True for 201: something new was made.
    pub is_created: bool,
    /// The body, as it came.
    pub text: String,
}

impl Answer {
    /// Reads the body.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_str(&self.text)
            .map_err(|error| ClientError::Answer { problem: error.to_string() })
    }
}

impl Client {
    /// A client of the server at `server`, such as `http://127.0.0.1:7233`.
    pub fn new(server: &str, namespace: &str) -> Result<Self, ClientError> {
        Self::with(server, namespace, None, &ClientTls::default())
    }

    /// One that says who it is, or trusts others than the system does.
    pub fn with(
        server: &str,
        namespace: &str,
        token: Option<&ApiToken>,
        tls: &ClientTls,
    ) -> Result<Self, ClientError> {
        let url = Url::parse(server)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| ClientError::Address(server.to_owned()))?;
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("dacapo/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = token {
            http = http.default_headers(token.headers()?);
            warn_of_plain_http(&url);
        }
        if is_loopback(&url) {
            // A proxy for the world outside can't reach this machine.
            http = http.no_proxy();
        }
        if url.scheme() == "http" {
            // A machine without certificates can do without them.
            http = http.tls_certs_only([]);
        } else {
            http = tls.apply(http)?;
        }
        let http = http.build().map_err(|error| ClientError::unreachable(&url, error))?;
        Ok(Self { http, server: url, namespace: namespace.to_owned() })
    }

    /// Uploads a component.
    /// With a gate it is refused if it does not fit an open run of the module.
    pub async fn push_module(
        &self,
        name: &str,
        component: Vec<u8>,
        gated: bool,
    ) -> Result<Answer, ClientError> {
        let url = self.url(&["modules", name])?;
        let mut request = self.http.request(Method::PUT, url);
        if gated {
            request = request.query(&[("gate", "replay")]);
        }
        self.send(request.header("content-type", "application/wasm").body(component)).await
    }

    /// One page of modules, the newest version of each.
    pub async fn list_modules(&self, query: &[(&str, String)]) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.url(&["modules"])?).query(query)).await
    }

    /// Lists all versions of a module.
    pub async fn show_module(&self, name: &str) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.url(&["modules", name])?)).await
    }

    /// Deletes a version of a module, or all of them.
    pub async fn delete_module(
        &self,
        name: &str,
        version: Option<u32>,
    ) -> Result<Answer, ClientError> {
        let request = self.http.delete(self.url(&["modules", name])?);
        self.send(request.query(&[("version", version)])).await
    }

    /// Deletes a run, which the address has to name.
    pub async fn delete_run(&self, run: &RunAddress) -> Result<Answer, ClientError> {
        self.send(self.http.delete(self.run_url(run, &[])?)).await
    }

    /// One page of task queues, by name.
    pub async fn list_queues(&self, query: &[(&str, String)]) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.url(&["task-queues"])?).query(query)).await
    }

    /// What is known of a task queue.
    pub async fn show_queue(&self, queue: &str) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.url(&["task-queues", queue])?)).await
    }

    /// Changes what is set of a task queue.
    pub async fn change_queue(
        &self,
        queue: &str,
        change: &serde_json::Value,
    ) -> Result<Answer, ClientError> {
        self.send(self.http.patch(self.url(&["task-queues", queue])?).json(change)).await
    }

    /// The search attributes that are registered.
    pub async fn list_search_attributes(&self) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.url(&["search-attributes"])?)).await
    }

    /// Registers a search attribute.
    pub async fn register_search_attribute(
        &self,
        name: &str,
        attribute_type: &str,
    ) -> Result<Answer, ClientError> {
        let body = serde_json::json!({ "name": name, "type": attribute_type });
        self.send(self.http.post(self.url(&["search-attributes"])?).json(&body)).await
    }

    /// Removes a search attribute.
    pub async fn remove_search_attribute(&self, name: &str) -> Result<Answer, ClientError> {
        self.send(self.http.delete(self.url(&["search-attributes", name])?)).await
    }

    /// One page of namespaces.
    pub async fn list_namespaces(&self, query: &[(&str, String)]) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.namespace_url(None)?).query(query)).await
    }

    /// What is known of a namespace.
    pub async fn show_namespace(&self, name: &str) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.namespace_url(Some(name))?)).await
    }

    /// Makes a namespace.
    pub async fn create_namespace(&self, body: &serde_json::Value) -> Result<Answer, ClientError> {
        self.send(self.http.post(self.namespace_url(None)?).json(body)).await
    }

    /// Changes what is set of a namespace.
    pub async fn change_namespace(
        &self,
        name: &str,
        change: &serde_json::Value,
    ) -> Result<Answer, ClientError> {
        self.send(self.http.patch(self.namespace_url(Some(name))?).json(change)).await
    }

    /// Begins to delete a namespace.
    pub async fn delete_namespace(&self, name: &str, confirm: &str) -> Result<Answer, ClientError> {
        let request = self.http.delete(self.namespace_url(Some(name))?);
        self.send(request.query(&[("confirm", confirm)])).await
    }

    /// Whether the server serves; the error says why not.
    pub async fn check_ready(&self) -> Result<(), ClientError> {
        self.send(self.http.get(self.root_url(&["health", "ready"])?)).await.map(drop)
    }

    /// Starts a run.
    pub async fn start_run(&self, body: &StartBody) -> Result<Answer, ClientError> {
        self.send(self.http.post(self.url(&["runs"])?).json(body)).await
    }

    /// One page of runs.
    pub async fn list_runs(&self, query: &[(&str, String)]) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.url(&["runs"])?).query(query)).await
    }

    /// The number of runs.
    pub async fn count_runs(&self, query: &[(&str, String)]) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.url(&["run-count"])?).query(query)).await
    }

    /// What is known of a run.
    pub async fn show_run(&self, run: &RunAddress) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.run_url(run, &[])?)).await
    }

    /// The result of a run, or of the last of those that follow it; waited for up to
    /// 30 seconds, however long `wait` is.
    pub async fn run_result(
        &self,
        run: &RunAddress,
        wait: Duration,
        follow: bool,
    ) -> Result<Answer, ClientError> {
        let seconds = wait.as_secs_f64().min(POLL_SECONDS_MAX);
        let request = self.http.get(self.run_url(run, &["result"])?);
        self.send(request.query(&[("wait", seconds)]).query(&[("follow", follow)])).await
    }

    /// One page of a history.
    pub async fn run_history(&self, run: &RunAddress, from: u64) -> Result<Answer, ClientError> {
        let request = self.http.get(self.run_url(run, &["history"])?);
        self.send(request.query(&[("from", from)])).await
    }

    /// One page of a history with all that it holds.
    pub async fn export_history(
        &self,
        run: &RunAddress,
        from: u64,
    ) -> Result<wire::ExportedPage, ClientError> {
        let request = self.http.get(self.run_url(run, &["history"])?);
        let query = [("format", "export".to_owned()), ("from", from.to_string())];
        self.send(request.query(&query)).await?.read()
    }

    /// A history from its first event, and on as it grows.
    pub fn follow_history(&self, run: RunAddress) -> HistoryStream {
        HistoryStream::new(self.clone(), run)
    }

    /// Does something to a run: `cancel`, `terminate`, `retry` or, to move it,
    /// `module`.
    pub async fn act_on_run(
        &self,
        run: &RunAddress,
        verb: &str,
        body: &serde_json::Value,
    ) -> Result<Answer, ClientError> {
        self.send(self.http.post(self.run_url(run, &[verb])?).json(body)).await
    }

    /// Does something to an activity of a run: `pause`, `complete` and so on.
    pub async fn act_on_activity(
        &self,
        run: &RunAddress,
        operation: u32,
        verb: &str,
        body: &impl Serialize,
    ) -> Result<Answer, ClientError> {
        let url = self.run_url(run, &["activities", &operation.to_string(), verb])?;
        self.send(self.http.post(url).json(body)).await
    }

    /// Starts an activity without a workflow.
    pub async fn start_activity(&self, body: &StartActivityBody) -> Result<Answer, ClientError> {
        self.send(self.http.post(self.url(&["activities"])?).json(body)).await
    }

    /// One page of activities without a workflow.
    pub async fn list_activities(&self, query: &[(&str, String)]) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.url(&["activities"])?).query(query)).await
    }

    /// What is known of an activity without a workflow.
    pub async fn show_activity(&self, activity: &ActivityAddress) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.activity_url(activity, &[])?)).await
    }

    /// How an activity without a workflow ended; waited for up to 30 seconds, however long
    /// `wait` is.
    pub async fn activity_result(
        &self,
        activity: &ActivityAddress,
        wait: Duration,
    ) -> Result<Answer, ClientError> {
        let seconds = wait.as_secs_f64().min(POLL_SECONDS_MAX);
        let request = self.http.get(self.activity_url(activity, &["result"])?);
        self.send(request.query(&[("wait", seconds)])).await
    }

    /// Does something to an activity without a workflow: `cancel` or `terminate`.
    pub async fn act_on_standalone(
        &self,
        activity: &ActivityAddress,
        verb: &str,
        body: &serde_json::Value,
    ) -> Result<Answer, ClientError> {
        self.send(self.http.post(self.activity_url(activity, &[verb])?).json(body)).await
    }

    /// Starts an operation on many runs, or asks how many there are.
    pub async fn start_batch(&self, body: &serde_json::Value) -> Result<Answer, ClientError> {
        self.send(self.http.post(self.url(&["batches"])?).json(body)).await
    }

    /// One page of batches.
    pub async fn list_batches(&self, query: &[(&str, String)]) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.url(&["batches"])?).query(query)).await
    }

    /// What is known of a batch.
    pub async fn show_batch(&self, batch_id: &str) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.url(&["batches", batch_id])?)).await
    }

    /// Pauses a batch, resumes it or stops it.
    pub async fn act_on_batch(
        &self,
        batch_id: &str,
        verb: &str,
        body: &serde_json::Value,
    ) -> Result<Answer, ClientError> {
        self.send(self.http.post(self.url(&["batches", batch_id, verb])?).json(body)).await
    }

    /// Sends a run a signal.
    pub async fn signal_run(
        &self,
        run: &RunAddress,
        name: &str,
        body: &SignalBody,
    ) -> Result<Answer, ClientError> {
        let url = self.run_url(run, &["signals", name])?;
        self.send(self.http.post(url).json(body)).await
    }

    /// Asks a run what it knows.
    pub async fn query_run(
        &self,
        run: &RunAddress,
        name: &str,
        body: &QueryBody,
    ) -> Result<Answer, ClientError> {
        let url = self.run_url(run, &["queries", name])?;
        self.send(self.http.post(url).json(body)).await
    }

    /// Sends a run an update; waited for up to 30 seconds, however long `wait` is.
    pub async fn update_run(
        &self,
        run: &RunAddress,
        name: &str,
        body: &UpdateBody,
        wait: Duration,
    ) -> Result<Answer, ClientError> {
        let seconds = wait.as_secs_f64().min(POLL_SECONDS_MAX);
        let request = self.http.post(self.run_url(run, &["updates", name])?);
        self.send(request.query(&[("wait", seconds)]).json(body)).await
    }

    /// Where a run waits.
    pub async fn run_waiting(&self, run: &RunAddress) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.run_url(run, &["waiting"])?)).await
    }

    /// The server's address, for messages.
    pub fn server(&self) -> &Url {
        &self.server
    }

    fn run_url(&self, run: &RunAddress, rest: &[&str]) -> Result<Url, ClientError> {
        self.named_url("runs", &run.workflow_id, run.run_id.as_ref(), rest)
    }

    fn activity_url(&self, activity: &ActivityAddress, rest: &[&str]) -> Result<Url, ClientError> {
        self.named_url("activities", &activity.activity_id, activity.run_id.as_ref(), rest)
    }

    fn named_url(
        &self,
        noun: &str,
        id: &str,
        run_id: Option<&String>,
        rest: &[&str],
    ) -> Result<Url, ClientError> {
        let mut path = vec![noun, id];
        path.extend(rest);
        let mut url = self.url(&path)?;
        if let Some(run_id) = run_id {
            url.query_pairs_mut().append_pair("run_id", run_id);
        }
        Ok(url)
    }

    /// The address of something in the namespace.
    fn url(&self, path: &[&str]) -> Result<Url, ClientError> {
        // URLs have no way to write these two: they mean "here" and "one up",
        // however they are escaped.
        if let Some(dots) = path.iter().find(|part| matches!(**part, "." | "..")) {
            return Err(ClientError::Address((*dots).to_owned()));
        }
        self.root_url(&[&["api", "v1", "namespaces", &self.namespace], path].concat())
    }

    /// Of a namespace itself, or of all of them.
    fn namespace_url(&self, name: Option<&str>) -> Result<Url, ClientError> {
        match name {
            Some(name) => Self { namespace: name.to_owned(), ..self.clone() }.url(&[]),
            None => self.root_url(&["api", "v1", "namespaces"]),
        }
    }

    fn root_url(&self, path: &[&str]) -> Result<Url, ClientError> {
        let mut url = self.server.clone();
        url.path_segments_mut()
            .map_err(|()| ClientError::Address(self.server.to_string()))?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    /// The error for a server that stopped answering in the middle.
    fn lost(&self, reason: &str) -> ClientError {
        ClientError::Unreachable {
            server: self.server.to_string(),
            reason: reason.to_owned(),
            connected: true,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, ClientError> {
        let unreachable = |error| ClientError::unreachable(&self.server, error);
        let response = request.timeout(ANSWER_TIMEOUT).send().await.map_err(unreachable)?;
        self.read(response).await
    }

    /// Reads an answer, or the error it stands for.
    async fn read(&self, mut response: reqwest::Response) -> Result<Answer, ClientError> {
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| ClientError::unreachable(&self.server, error))?
        {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                let problem = format!("it is longer than {ANSWER_BYTES_MAX} bytes");
                return Err(ClientError::Answer { problem });
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(ClientError::from_answer(&self.server, status.as_u16(), &body));
        }
        match String::from_utf8(body) {
            Ok(text) => Ok(Answer {
                is_pending: status == reqwest::StatusCode::ACCEPTED,
                is_created: status == reqwest::StatusCode::CREATED,
                text,
            }),
            Err(_) => Err(ClientError::Answer { problem: "it is not text".to_owned() }),
        }
    }
}

/// A key that others can read on its way is theirs as well.
fn warn_of_plain_http(server: &Url) {
    if server.scheme() == "http" && !is_loopback(server) {
        crate::output::note(&format!(
            "warning: the API key goes to {server} in the clear; use https:// if there may be \
             others in the network"
        ));
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(server: &str) -> Client {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::new(server, "default").expect("valid")
    }

    fn run(workflow_id: &str, run_id: Option<&str>) -> RunAddress {
        RunAddress { workflow_id: workflow_id.to_owned(), run_id: run_id.map(str::to_owned) }
    }

    #[test]
    fn any_workflow_id_fits_into_a_path() {
        let url = client("http://h:1").run_url(&run("a/b c?%", Some("r")), &["result"]);
        assert_eq!(
            url.expect("valid").as_str(),
            "http://h:1/api/v1/namespaces/default/runs/a%2Fb%20c%3F%25/result?run_id=r"
        );
    }

    #[test]
    fn dots_are_refused_because_a_url_can_not_hold_them() {
        let url = client("http://h:1").run_url(&run("..", None), &[]);
        assert!(matches!(url, Err(ClientError::Address(_))));
    }

    #[test]
    fn a_server_may_live_under_a_path() {
        let url = client("http://h:1/dacapo/").url(&["modules"]).expect("valid");
        assert_eq!(url.as_str(), "http://h:1/dacapo/api/v1/namespaces/default/modules");
    }

    #[test]
    fn an_address_without_a_scheme_is_refused() {
        assert!(matches!(Client::new("localhost:7233", "d"), Err(ClientError::Address(_))));
        assert!(matches!(Client::new("ftp://h", "d"), Err(ClientError::Address(_))));
    }

    #[test]
    fn this_machine_is_recognised() {
        let is = |text: &str| is_loopback(&Url::parse(text).expect("valid"));
        assert!(is("http://localhost:1") && is("http://127.0.0.2:1") && is("http://[::1]:1"));
        assert!(!is("http://example.com"));
    }
}
