//! TLS: the server's certificate, and how connections come to be encrypted with it.
//!
//! ```text
//!  files ──▶ load ──▶ what is in use ◀── renewal, when files change
//!                          │
//!             handshake ◀──┘ of each new connection
//! ```
//!
//! Invariant: what is in use was valid when it was taken. Files that are not leave it alone.

mod certificate;
mod client_names;
mod files;
mod handshake;
mod load;
mod metrics;
mod renewal;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use dacapo_api::ClientCertificate;
use dacapo_service::tenancy::CertifiedClient;
use parking_lot::RwLock;
use rustls::ServerConnection;
use tokio_rustls::TlsAcceptor;

pub use self::client_names::{CertificateRule, NameKind};
pub use self::files::{ClientAuthorities, TlsFiles};
pub(super) use self::handshake::Failure;
pub(super) use self::load::HTTP_2;

use self::certificate::Validity;
use self::files::Contents;
use self::load::Loaded;
use self::metrics::TlsMetrics;

/// What a server encrypts connections with.
pub struct Tls {
    files: TlsFiles,
    /// What certificates of clients are good for.
    rules: Vec<CertificateRule>,
    in_use: RwLock<InUse>,
    metrics: TlsMetrics,
}

/// A client that is known by its certificate.
pub(super) struct Certified {
    client: Arc<CertifiedClient>,
    /// In seconds since 1970.
    expires_at: u64,
}

impl Certified {
    /// Who it is, as long as the certificate is valid.
    pub(super) fn now(&self) -> Option<ClientCertificate> {
        (unix_now() < self.expires_at).then(|| ClientCertificate(Arc::clone(&self.client)))
    }
}

struct InUse {
    contents: Contents,
    loaded: Loaded,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files. The error names the one that is wrong.
    pub(crate) fn load(files: TlsFiles, rules: Vec<CertificateRule>) -> Result<Self> {
        let contents = files.read()?;
        let loaded = load::load(&files, &contents, unix_now())?;
        files.warn_of_readers();
        let metrics = TlsMetrics::default();
        metrics.expires_at(loaded.expires_at);
        let in_use = RwLock::new(InUse { contents, loaded });
        let tls = Self { files, rules, in_use, metrics };
        tls.say_how_long("the TLS certificate is in use");
        Ok(tls)
    }

    /// Takes what the files hold now. True if it is new; an error if it can't be used, and
    /// then nothing changes.
    fn look(&self) -> Result<bool> {
        let contents = self.files.read()?;
        if self.in_use.read().contents == contents {
            return Ok(false);
        }
        let loaded = load::load(&self.files, &contents, unix_now())?;
        self.metrics.expires_at(loaded.expires_at);
        *self.in_use.write() = InUse { contents, loaded };
        Ok(true)
    }

    /// For the next connection.
    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.in_use.read().loaded.config))
    }

    /// Who the client of a connection is by its certificate, if it has shown one that is good
    /// for something.
    pub(super) fn client(&self, session: &ServerConnection) -> Option<Certified> {
        let certificate = session.peer_certificates()?.first()?;
        let known = Validity::of(certificate).and_then(|validity| {
            let client = client_names::client_of(&self.rules, certificate)?;
            Ok(client.map(|client| Certified { client, expires_at: validity.ends }))
        });
        known.unwrap_or_else(|error| {
            tracing::debug!(%error, "a client is not known by its certificate");
            None
        })
    }

    /// In seconds since 1970.
    fn expires_at(&self) -> u64 {
        self.in_use.read().loaded.expires_at
    }
}

/// Seconds since 1970.
fn unix_now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "certificates are valid by the clock")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
