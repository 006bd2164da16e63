//! How a connection becomes an encrypted one. Whoever makes it fail costs little, and has
//! not much time.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dacapo_api::MemoryBudget;
use dacapo_service::log_limit::LogLimit;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Tls;
use crate::http_server::socket::Socket;

/// How long a client may take until TLS is agreed upon.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that are encrypted and not yet written.
const UNWRITTEN_BYTES_MAX: usize = 16 * 1024;

/// What every TLS connection begins with: the type of a record.
const HANDSHAKE_RECORD: u8 = 0x16;

static LOG: LogLimit = LogLimit::of(1);

/// Why a connection ended before TLS was agreed upon.
#[derive(Debug, thiserror::Error)]
pub(in crate::http_server) enum Failure {
    /// The client went away, or said nothing.
    #[error("the client left")]
    Closed,
    #[error("the client took longer than {} s", HANDSHAKE_TIMEOUT.as_secs())]
    TimedOut,
    /// Somebody speaks plain HTTP. Not closed yet: they can be told.
    #[error("the client speaks plain HTTP")]
    PlainHttp(TcpStream),
    #[error("the client does not speak TLS")]
    NotTls,
    /// It has no certificate that is needed, or one that is not trusted.
    #[error("the client's certificate: {0}")]
    ClientCertificate(io::Error),
    #[error("{0}")]
    Refused(io::Error),
}

impl Failure {
    /// Tells kinds apart in the metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::TimedOut => "timeout",
            Self::PlainHttp(_) | Self::NotTls => "not_tls",
            Self::ClientCertificate(_) => "client_certificate",
            Self::Refused(_) => "refused",
        }
    }
}

impl Tls {
    /// Agrees upon TLS with a client. A failure is counted, and said now and then.
    pub(in crate::http_server) async fn handshake(
        &self,
        stream: TcpStream,
        memory: Arc<MemoryBudget>,
        client: IpAddr,
    ) -> Result<TlsStream<Socket<TcpStream>>, Failure> {
        let agreed = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.agree(stream, memory)).await;
        let failure = match agreed {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::TimedOut,
        };
        self.metrics.failed(&failure);
        // A probe that only connects is no event.
        if !matches!(failure, Failure::Closed)
            && let Some(withheld) = LOG.allows()
        {
            tracing::info!(%client, error = %failure, withheld, "a TLS handshake failed");
        }
        Err(failure)
    }

    async fn agree(
        &self,
        stream: TcpStream,
        memory: Arc<MemoryBudget>,
    ) -> Result<TlsStream<Socket<TcpStream>>, Failure> {
        let mut first = [0; 1];
        match stream.peek(&mut first).await {
            Ok(0) | Err(_) => return Err(Failure::Closed),
            Ok(_) if first[0].is_ascii_uppercase() => return Err(Failure::PlainHttp(stream)),
            Ok(_) if first[0] != HANDSHAKE_RECORD => return Err(Failure::NotTls),
            Ok(_) => {}
        }
        let bound = |session: &mut rustls::ServerConnection| {
            session.set_buffer_limit(Some(UNWRITTEN_BYTES_MAX));
        };
        let accepted = self.acceptor().accept_with(Socket::new(stream, memory), bound).await;
        accepted.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Failure::Closed,
            _ if is_about_a_certificate(&error) => Failure::ClientCertificate(error),
            _ => Failure::Refused(error),
        })
    }
}

fn is_about_a_certificate(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(
        cause,
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)
    )
}
