//! What a server tells others of itself: metrics, which are read from it and sent if there
//! is a collector, and spans, which are sent.

mod metrics;
mod spans;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use dacapo_service::traces::Traces;
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::Registry;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use self::spans::SpanExport;
use crate::config::Otlp;

/// How long a server that ends waits for what was not sent yet.
const FLUSH_MAX: Duration = Duration::from_secs(3);

/// What is measured and sent, for this process.
pub(crate) struct Telemetry {
    /// What is measured, for whoever reads it.
    pub(crate) metrics: Registry,
    provider: SdkMeterProvider,
    spans: Option<Arc<SpanExport>>,
    part: f64,
}

impl Telemetry {
    /// From now on values are kept, for this process. Before that, nothing is measured:
    /// call it before a server starts.
    pub(crate) fn start(otlp: &Otlp) -> Result<Self> {
        let endpoint = otlp.endpoint.as_ref();
        let (metrics, provider) = metrics::start(endpoint)?;
        let spans = endpoint.map(SpanExport::to).transpose()?.map(Arc::new);
        Ok(Self { metrics, provider, spans, part: otlp.trace_sample_ratio.into() })
    }

    /// Which traces the server is to collect.
    pub(crate) fn traces(&self) -> Traces {
        match &self.spans {
            Some(spans) => Traces::collected(spans.clone(), self.part),
            None => Traces::default(),
        }
    }

    /// Sends what was not sent yet. A collector that does not answer does not hold it up
    /// for long.
    pub(crate) async fn stop(self) {
        let Some(spans) = self.spans else { return };
        // Both wait in the thread that they are called in, one of them as long as it likes.
        let spans = spawn_blocking(move || spans.stop(FLUSH_MAX));
        let metrics = spawn_blocking(move || self.provider.shutdown());
        let sent = timeout(FLUSH_MAX, async { tokio::join!(spans, metrics) });
        if !matches!(sent.await, Ok((Ok(Ok(())), Ok(Ok(()))))) {
            tracing::warn!("not all spans and metrics could be sent");
        }
    }
}

/// Who says it.
fn resource() -> Resource {
    Resource::builder_empty()
        .with_service_name("dacapo")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use dacapo_model::time::Timestamp;
    use dacapo_model::trace::{SpanId, TraceContext, TraceId};
    use dacapo_service::traces::{Span, SpanSink as _};
    use opentelemetry::trace::SpanKind;
    use prometheus::TextEncoder;

    use super::spans::QUEUE;
    use super::*;

    #[test]
    fn spans_for_which_there_is_no_room_are_dropped_and_counted() {
        // As the program does first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // It takes connections, and answers nothing.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = silent.local_addr().expect("an address");
        let endpoint = format!("http://{address}").parse().ok();
        let otlp = Otlp { endpoint, ..Otlp::default() };
        let telemetry = Telemetry::start(&otlp).expect("it starts");
        let spans = telemetry.spans.as_ref().expect("there is a collector");
        for number in 1..=2 * QUEUE as u64 {
            spans.ended(Span {
                name: "run".to_owned(),
                kind: SpanKind::Internal,
                context: TraceContext::new(TraceId(1), SpanId(number), true),
                parent: None,
                parent_is_remote: false,
                started_at: Timestamp::default(),
                ended_at: Timestamp::default(),
                attributes: Vec::new(),
                links: Vec::new(),
                error: None,
            });
        }
        let metrics = TextEncoder::new().encode_to_string(&telemetry.metrics.gather());
        let metrics = metrics.expect("text");
        let is_count = |line: &&str| {
            line.starts_with("otel_sdk_processor_span_processed_total{")
                && line.contains("error_type=\"queue_full\"")
        };
        let line = metrics.lines().find(is_count).unwrap_or_else(|| panic!("{metrics}"));
        let dropped: f64 =
            line.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a number");
        // Some batches may have been taken from the queue meanwhile.
        assert!(dropped > QUEUE as f64 / 2.0, "{line}");
    }
}
