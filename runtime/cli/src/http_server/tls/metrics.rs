//! What is measured of TLS. Where it goes is up to whoever has set up a meter provider.

use opentelemetry::metrics::{Counter, Gauge};
use opentelemetry::{KeyValue, global};

use super::handshake::Failure;

#[derive(Debug)]
pub(super) struct TlsMetrics {
    failures: Counter<u64>,
    expiry: Gauge<u64>,
}

impl Default for TlsMetrics {
    fn default() -> Self {
        let meter = global::meter("dacapo");
        Self {
            failures: meter
                .u64_counter("dacapo.tls.handshake_failures")
                .with_description("Connections that ended before TLS was agreed upon")
                .with_unit("{connection}")
                .build(),
            expiry: meter
                .u64_gauge("dacapo.tls.certificate_expiry")
                .with_description("When the certificate of the server expires, since 1970")
                .with_unit("s")
                .build(),
        }
    }
}

impl TlsMetrics {
    pub(super) fn failed(&self, failure: &Failure) {
        self.failures.add(1, &[KeyValue::new("reason", failure.reason())]);
    }

    pub(super) fn expires_at(&self, seconds: u64) {
        self.expiry.record(seconds, &[]);
    }
}
