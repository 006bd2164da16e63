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
mod files;
mod handshake;
mod load;
mod metrics;
mod renewal;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use parking_lot::RwLock;
use tokio_rustls::TlsAcceptor;

pub use self::files::TlsFiles;
pub(super) use self::handshake::Failure;
pub(super) use self::load::HTTP_2;

use self::files::Contents;
use self::load::Loaded;
use self::metrics::TlsMetrics;

/// What a server encrypts connections with.
pub struct Tls {
    files: TlsFiles,
    in_use: RwLock<InUse>,
    metrics: TlsMetrics,
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
    pub(crate) fn load(files: TlsFiles) -> Result<Self> {
        let contents = files.read()?;
        let loaded = load::load(&files, &contents, unix_now())?;
        files.warn_of_readers();
        let metrics = TlsMetrics::default();
        metrics.expires_at(loaded.expires_at);
        let tls = Self { files, in_use: RwLock::new(InUse { contents, loaded }), metrics };
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
