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
