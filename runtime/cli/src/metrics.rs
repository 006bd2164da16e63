//! Where what a server measures is kept until it is asked for.

use anyhow::{Context as _, Result};
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::Registry;

/// From now on values are kept, for this process, and can be read from the registry. Before
/// that, nothing is measured: call it before a server starts.
pub(crate) fn start() -> Result<Registry> {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .build()
        .context("metrics can't be set up")?;
    let resource = Resource::builder_empty()
        .with_service_name("dacapo")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider =
        SdkMeterProvider::builder().with_reader(exporter).with_resource(resource).build();
    global::set_meter_provider(provider);
    Ok(registry)
}
