//! What a certificate says of itself.

use anyhow::{Result, anyhow};
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// When a certificate is valid, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) begins: u64,
    pub(super) ends: u64,
}

impl Validity {
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Self> {
        let read = Certificate::from_der(certificate);
        let read = read.map_err(|error| anyhow!("it is no X.509 certificate: {error}"))?;
        let validity = read.tbs_certificate.validity;
        Ok(Self {
            begins: validity.not_before.to_unix_duration().as_secs(),
            ends: validity.not_after.to_unix_duration().as_secs(),
        })
    }
}
