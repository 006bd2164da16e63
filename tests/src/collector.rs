//! A collector of traces and metrics: what a server sends by OTLP over HTTP, decoded, and
//! the headers of whatever else is posted to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Router, serve};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;

use crate::wait::eventually;

/// A collector on a free port.
#[derive(Debug)]
pub struct Collector {
    url: String,
    received: Arc<Mutex<Received>>,
}

#[derive(Debug, Default)]
struct Received {
    spans: Vec<CollectedSpan>,
    metrics: Vec<String>,
    requests: Vec<HeaderMap>,
}

/// A span as a collector got it.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectedSpan {
    /// What it is of.
    pub name: String,
    /// In digits.
    pub trace_id: String,
    /// In digits.
    pub span_id: String,
    /// In digits; empty if it has none.
    pub parent: String,
    /// How long it took.
    pub nanos: u64,
    /// What is known of it.
    pub attributes: BTreeMap<String, String>,
    /// The spans that it has to do with, by trace and id.
    pub links: Vec<(String, String)>,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

impl Collector {
    /// Opens on a free port.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let received = Arc::<Mutex<Received>>::default();
        let routes = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .fallback(request)
            .with_state(received.clone());
        tokio::spawn(async move { serve(listener, routes).await });
        Self { url: format!("http://{address}"), received }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The spans of a trace, once there are so many: in the order of their names.
    pub async fn trace(&self, trace_id: &str, count: usize) -> Vec<CollectedSpan> {
        eventually(&format!("{count} spans of trace {trace_id} arrive"), async || {
            let spans = self.spans(trace_id);
            (spans.len() >= count).then_some(spans)
        })
        .await
    }

    /// Those that have arrived so far.
    pub fn spans(&self, trace_id: &str) -> Vec<CollectedSpan> {
        let mut spans = self.received().spans.clone();
        spans.retain(|span| span.trace_id == trace_id);
        spans.sort_by(|one, other| (&one.name, one.attempt()).cmp(&(&other.name, other.attempt())));
        spans
    }

    /// How many spans have arrived in all.
    pub fn len(&self) -> usize {
        self.received().spans.len()
    }

    /// Whether no span has arrived.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the metrics that have arrived.
    pub fn metrics(&self) -> Vec<String> {
        self.received().metrics.clone()
    }

    /// The headers of whatever else was posted.
    pub fn requests(&self) -> Vec<HeaderMap> {
        self.received().requests.clone()
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        lock(&self.received)
    }
}

impl CollectedSpan {
    /// What is known of it under a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// Which attempt it is, if it is one.
    pub fn attempt(&self) -> Option<u32> {
        self.get("dacapo.attempt")?.parse().ok()
    }
}

impl From<Span> for CollectedSpan {
    fn from(span: Span) -> Self {
        let link = |link: opentelemetry_proto::tonic::trace::v1::span::Link| {
            (digits(&link.trace_id), digits(&link.span_id))
        };
        let status = span.status.unwrap_or_default();
        Self {
            name: span.name,
            trace_id: digits(&span.trace_id),
            span_id: digits(&span.span_id),
            parent: digits(&span.parent_span_id),
            nanos: span.end_time_unix_nano.checked_sub(span.start_time_unix_nano).expect("time"),
            attributes: span.attributes.into_iter().map(attribute).collect(),
            links: span.links.into_iter().map(link).collect(),
            error: (status.code == 2).then_some(status.message),
        }
    }
}

fn attribute(attribute: KeyValue) -> (String, String) {
    let value = match attribute.value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("no attribute is of this type: {other:?}"),
    };
    (attribute.key, value)
}

fn digits(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lock(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn traces(State(received): State<Arc<Mutex<Received>>>, body: Bytes) -> StatusCode {
    let request = ExportTraceServiceRequest::decode(body).expect("it is OTLP");
    let spans = request.resource_spans.into_iter().flat_map(|resource| {
        let attributes = resource.resource.unwrap_or_default().attributes;
        let attributes: BTreeMap<_, _> = attributes.into_iter().map(attribute).collect();
        assert_eq!(attributes.get("service.name").map(String::as_str), Some("dacapo"));
        resource.scope_spans.into_iter().flat_map(|scope| scope.spans)
    });
    lock(&received).spans.extend(spans.map(CollectedSpan::from));
    StatusCode::OK
}

async fn metrics(State(received): State<Arc<Mutex<Received>>>, body: Bytes) -> StatusCode {
    let request = ExportMetricsServiceRequest::decode(body).expect("it is OTLP");
    let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    let names = scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name);
    lock(&received).metrics.extend(names);
    StatusCode::OK
}

async fn request(State(received): State<Arc<Mutex<Received>>>, headers: HeaderMap) -> StatusCode {
    lock(&received).requests.push(headers);
    StatusCode::OK
}
