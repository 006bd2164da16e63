//! The gate that requests of activities leave through. Those of an attempt that belongs to
//! a trace say so, unless the activity has said what they belong to.

use std::sync::Arc;

use dacapo_engine::guest::RunContext;
use dacapo_model::trace::TraceContext;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

use super::allowed_hosts::{AllowedHosts, SETTING};
use super::secrets::Secrets;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What one request may have the host keep of its body.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// Refuses requests to hosts that are not allowed, reveals secrets to those that they
/// are bound to, and takes them out of the answers.
pub(super) struct Gate {
    allowed_hosts: Arc<AllowedHosts>,
    secrets: Arc<Secrets>,
    run: Arc<RunContext>,
    trace: Option<TraceContext>,
}

impl Gate {
    pub(super) fn new(
        allowed_hosts: Arc<AllowedHosts>,
        secrets: Arc<Secrets>,
        run: Arc<RunContext>,
        trace: Option<TraceContext>,
    ) -> Self {
        Self { allowed_hosts, secrets, run, trace }
    }

    /// Says which trace a request belongs to, unless it says so itself.
    fn mark(&self, headers: &mut HeaderMap) {
        let Some(trace) = self.trace.as_ref().filter(|_| !headers.contains_key(TRACEPARENT)) else {
            return;
        };
        if let Ok(traceparent) = HeaderValue::try_from(trace.traceparent()) {
            headers.insert(TRACEPARENT, traceparent);
            // The one that belongs to it, or none.
            headers.remove(TRACESTATE);
            let tracestate = Some(&trace.tracestate).filter(|it| !it.is_empty());
            if let Some(Ok(tracestate)) = tracestate.map(HeaderValue::try_from) {
                headers.insert(TRACESTATE, tracestate);
            }
        }
    }

    /// Puts secrets into a request that may be sent. What is refused because of the
    /// server's configuration must not look like a request that can never be right:
    /// the next attempt may find another configuration.
    fn admit(&self, request: &mut http::Request<WasiBody>) -> Result<(), Error> {
        let Some(authority) = request.uri().authority().cloned() else {
            return Err(Error::HttpRequestDenied);
        };
        let https = request.uri().scheme() == Some(&Scheme::HTTPS);
        let port = authority.port_u16().unwrap_or(if https { 443 } else { 80 });
        // What stands before an `@` is no host, but could be taken for one. It is not
        // logged: it may be a password.
        if authority.as_str().contains('@') {
            self.log_refusal(authority.host(), port, "its URL holds credentials");
            return Err(Error::HttpRequestUriInvalid);
        }
        if !self.allowed_hosts.allow(authority.host(), port) {
            let reason = match self.allowed_hosts.server_allows(authority.host(), port) {
                false => format!("its host is not in `{SETTING}`"),
                true => format!("its namespace `{}` does not allow the host", self.run.namespace),
            };
            self.log_refusal(authority.host(), port, &reason);
            return Err(Error::HttpRequestDenied);
        }
        let revealed = self.secrets.reveal(authority.host(), port, request.headers_mut());
        revealed.map_err(|misplaced| {
            self.log_refusal(authority.host(), port, &misplaced.to_string());
            Error::InternalError(Some(format!("the request was not sent: {misplaced}")))
        })
    }

    fn log_refusal(&self, host: &str, port: u16, reason: &str) {
        tracing::warn!(
            target: "dacapo::guest",
            run_id = %self.run.run_id,
            workflow_id = self.run.workflow_id.as_str(),
            host,
            port,
            "an activity's request was refused: {reason}"
        );
    }
}

type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for Gate {
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }

    fn send_request(
        &mut self,
        mut request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _body_sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        self.mark(request.headers_mut());
        let admitted = self.admit(&mut request);
        let redaction = self.secrets.redaction().clone();
        Box::new(async move {
            admitted?;
            let (mut response, connection) = default_send_request(request, options).await?;
            let connection: Box<dyn Future<Output = Result<(), Error>> + Send> =
                Box::new(connection);
            redaction.headers(response.headers_mut());
            let masked = |body| redaction.body(BodyExt::boxed_unsync(body)).boxed_unsync();
            Ok((response.map(masked), connection))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::Router;
    use axum::http::HeaderMap;
    use axum::routing::get;
    use dacapo_model::ids::{NamespaceName, RunId, WorkflowId};
    use dacapo_model::module::ModuleDigest;
    use http_body_util::Empty;
    use uuid::Uuid;

    use super::*;
    use crate::config::Secret;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn gate(allowed: &str, bound: &str) -> Gate {
        let secret = Secret {
            value: "k-123".to_owned(),
            hosts: vec![bound.to_owned()],
            headers: vec!["authorization".to_owned()],
        };
        let secrets = BTreeMap::from([("KEY".to_owned(), secret)]);
        let run = RunContext {
            namespace: NamespaceName::new("default").expect("valid"),
            workflow_id: WorkflowId::new("order-17").expect("valid"),
            run_id: RunId(Uuid::nil()),
            module_digest: ModuleDigest::of(b""),
            trace: None,
        };
        Gate::new(
            Arc::new(AllowedHosts::parse(&[allowed.to_owned()]).expect("valid")),
            Arc::new(Secrets::new(secrets).expect("valid")),
            Arc::new(run),
            TraceContext::parse(TRACE),
        )
    }

    async fn send(gate: &mut Gate, uri: String) -> Result<String, Error> {
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = http::Request::get(uri)
            .header("authorization", "Bearer dacapo-secret:KEY")
            .body(body)
            .expect("a request");
        let (response, connection) =
            Box::into_pin(gate.send_request(request, None, Box::new(async { Ok(()) }))).await?;
        tokio::spawn(Box::into_pin(connection));
        let bytes = response.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8(bytes.to_vec()).expect("text"))
    }

    /// Serves what it got as the authorization, on a free port: its length, and the
    /// text itself.
    async fn serve() -> u16 {
        let answer = get(|headers: HeaderMap| async move {
            let authorization = headers["authorization"].to_str().expect("text");
            format!("{} {authorization}", authorization.len())
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(answer)).await.expect("serves");
        });
        port
    }

    #[tokio::test]
    async fn a_secret_is_revealed_to_its_host_and_masked_in_the_answer() {
        let port = serve().await;
        let mut gate = gate("127.0.0.1", "127.0.0.1");
        let seen = send(&mut gate, format!("http://127.0.0.1:{port}/")).await;
        assert_eq!(seen.expect("a response"), "12 Bearer *****");
    }

    #[tokio::test]
    async fn a_request_with_a_secret_for_another_host_is_not_sent() {
        let port = serve().await;
        let mut gate = gate("127.0.0.1", "pay.example");
        let refused = send(&mut gate, format!("http://127.0.0.1:{port}/")).await;
        let Err(Error::InternalError(Some(reason))) = refused else {
            panic!("{refused:?}");
        };
        assert!(reason.contains("`KEY` is not bound to") && !reason.contains("k-123"), "{reason}");
    }

    #[test]
    fn a_request_belongs_to_the_trace_of_its_attempt_unless_it_names_another() {
        let gate = gate("127.0.0.1", "127.0.0.1");
        let mut headers = HeaderMap::new();
        gate.mark(&mut headers);
        assert_eq!(headers["traceparent"], TRACE);
        let other = HeaderValue::from_static("00-1-2-00");
        let mut headers = HeaderMap::from_iter([(TRACEPARENT, other.clone())]);
        gate.mark(&mut headers);
        assert_eq!(headers["traceparent"], other);
    }

    #[tokio::test]
    async fn nothing_is_sent_to_another_host_however_it_is_written() {
        let port = serve().await;
        let mut gate = gate("allowed.test", "*");
        let refused = send(&mut gate, format!("http://127.0.0.1:{port}/")).await;
        assert!(matches!(refused, Err(Error::HttpRequestDenied)), "{refused:?}");
        let refused = send(&mut gate, format!("http://allowed.test@127.0.0.1:{port}/")).await;
        assert!(matches!(refused, Err(Error::HttpRequestUriInvalid)), "{refused:?}");
    }
}
