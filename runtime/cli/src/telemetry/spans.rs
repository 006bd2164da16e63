//! Sends spans to a collector, from a thread of its own. When more have ended than it can
//! send, further ones are dropped, and counted.

use std::str::FromStr as _;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use dacapo_model::time::Timestamp;
use dacapo_model::trace::{self, TraceContext};
use dacapo_service::traces::{Span, SpanSink};
use opentelemetry::trace::{Link, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _,
};
use reqwest::Url;

use super::resource;
use crate::config::signal_url;

/// Spans that wait to be sent: some megabytes.
pub(super) const QUEUE: usize = 8 * 1024;

/// Spans of one request.
const BATCH: usize = 512;

/// A span is sent after that long, or once a batch is full. What was not sent when a process
/// dies is lost.
const DELAY: Duration = Duration::from_secs(1);

/// How long a collector may take for a batch.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct SpanExport {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
}

impl SpanExport {
    pub(super) fn to(collector: &Url) -> Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(signal_url(collector, "v1/traces"))
            .with_timeout(TIMEOUT)
            .build()
            .context("spans can't be sent")?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        processor.set_resource(&resource());
        Ok(Self { processor, scope: InstrumentationScope::builder("dacapo").build() })
    }

    /// Sends what waits, within a time.
    pub(super) fn stop(&self, within: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(within)
    }
}

impl SpanSink for SpanExport {
    fn ended(&self, span: Span) {
        self.processor.on_end(data(span, self.scope.clone()));
    }
}

fn data(span: Span, scope: InstrumentationScope) -> SpanData {
    let mut attributes = span.attributes;
    let status = match span.error {
        Some(error) => {
            attributes.push(KeyValue::new("error.type", error.type_name));
            Status::error(error.message)
        }
        None => Status::Unset,
    };
    let mut links = SpanLinks::default();
    links.links = span.links.into_iter().map(link).collect();
    SpanData {
        span_context: context(&span.context),
        parent_span_id: span.parent.map_or(SpanId::INVALID, span_id),
        parent_span_is_remote: span.parent_is_remote,
        span_kind: span.kind,
        name: span.name.into(),
        start_time: time(span.started_at),
        end_time: time(span.ended_at),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links,
        status,
        instrumentation_scope: scope,
    }
}

fn context(context: &TraceContext) -> SpanContext {
    let state = TraceState::from_str(&context.tracestate).unwrap_or_default();
    let (trace_id, span_id) = (trace_id(context.trace_id), span_id(context.span_id));
    SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, state)
}

fn link((trace, span): (trace::TraceId, trace::SpanId)) -> Link {
    let (trace_id, span_id) = (trace_id(trace), span_id(span));
    let flags = TraceFlags::SAMPLED;
    let context = SpanContext::new(trace_id, span_id, flags, false, TraceState::default());
    Link::with_context(context)
}

fn trace_id(id: trace::TraceId) -> TraceId {
    TraceId::from_bytes(id.0.to_be_bytes())
}

fn span_id(id: trace::SpanId) -> SpanId {
    SpanId::from_bytes(id.0.to_be_bytes())
}

fn time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(at.as_nanos())
}
