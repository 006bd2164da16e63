//! Where what a server measures is kept until it is asked for, or sent.

use anyhow::{Context as _, Result};
use opentelemetry::global;
use opentelemetry_otlp::{MetricExporter, WithExportConfig as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::Registry;
use reqwest::Url;

use super::resource;
use crate::config::signal_url;

/// Keeps values for this process from now on, and sends them to a collector if there is
/// one, once a minute.
pub(super) fn start(collector: Option<&Url>) -> Result<(Registry, SdkMeterProvider)> {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .build()
        .context("metrics can't be set up")?;
    let mut provider = SdkMeterProvider::builder().with_reader(exporter).with_resource(resource());
    if let Some(collector) = collector {
        let exporter = MetricExporter::builder()
            .with_http()
            .with_endpoint(signal_url(collector, "v1/metrics"))
            .build()
            .context("metrics can't be sent")?;
        provider = provider.with_periodic_exporter(exporter);
    }
    let provider = provider.build();
    global::set_meter_provider(provider.clone());
    Ok((registry, provider))
}
