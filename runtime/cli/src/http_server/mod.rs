//! Accepts connections and serves the API on them, until it is told to stop.
//!
//! Clients are hostile: the number of connections is bounded, in all and of one
//! address, and so is the time a client may take to send a request's head or to
//! take an answer. HTTP/2 only where TLS has agreed upon it: without, it is hardly used.

mod connections;
mod pieces;
mod protocols;
mod socket;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use dacapo_api::MemoryBudget;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use self::connections::{Busy, Connection, Connections, NoRoom};
pub(crate) use self::protocols::BUFFER_BYTES_MAX;
use self::socket::Socket;
use self::tls::Failure;
pub use self::tls::{CertificateRule, ClientAuthorities, NameKind, Tls, TlsFiles};

/// Wait after `accept` failed for lack of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that the system keeps while they wait to be accepted. It may have a
/// limit of its own (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// At a time.
    pub connections_max: usize,
    /// Of one address.
    pub per_address_max: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { connections_max: 8192, per_address_max: 4096 }
    }
}

/// Listens on an address.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Else a server that was just stopped would be in the way of the next.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().with_context(|| format!("can't listen on {address}; --listen chooses another address"))
}

/// What is needed to serve.
pub(crate) struct HttpServer {
    pub(crate) router: Router,
    pub(crate) limits: ConnectionLimits,
    pub(crate) memory: Arc<MemoryBudget>,
    /// Whether requests are told from which address they come.
    pub(crate) says_addresses: bool,
    /// What connections are encrypted with, if they are.
    pub(crate) tls: Option<Arc<Tls>>,
}

impl HttpServer {
    /// Serves until `stop` is cancelled; then takes no new connection and gives the
    /// requests under way `grace` to finish.
    pub(crate) async fn serve(
        self,
        listener: Arc<TcpListener>,
        stop: CancellationToken,
        grace: Duration,
    ) {
        let connections = Connections::new(self.limits);
        let graceful = GracefulShutdown::new();
        let server = Arc::new(self);

        while let Some((stream, client, connection)) = tokio::select! {
            accepted = accept(&listener, &connections) => Some(accepted),
            () = stop.cancelled() => None,
        } {
            let (server, stop) = (Arc::clone(&server), stop.clone());
            let watcher = graceful.watcher();
            tokio::spawn(async move {
                tokio::select! {
                    () = server.serve_client(stream, client, &connection, watcher, stop) => {}
                    () = connection.evicted() => {
                        tracing::debug!("a connection gave way to a new one");
                    }
                }
            });
        }

        drop(listener);
        if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
            tracing::warn!(?grace, "requests were still under way; their connections are closed");
        }
    }

    /// Serves one connection to its end.
    async fn serve_client(
        &self,
        stream: TcpStream,
        client: IpAddr,
        connection: &Connection,
        watcher: Watcher,
        stop: CancellationToken,
    ) {
        let said = self.says_addresses.then_some(client);
        let service = |router: &Router| Busy::new(router.clone(), said, connection);
        let memory = Arc::clone(&self.memory);
        let Some(tls) = &self.tls else {
            let socket = Socket::new(stream, memory);
            return protocols::http_1(socket, service(&self.router), watcher).await;
        };
        // Nothing was asked for yet: a server that stops does not wait for it.
        let agreed = tls.handshake(stream, Arc::clone(&memory), client);
        match stop.run_until_cancelled(agreed).await {
            Some(Ok(stream)) => {
                let session = stream.get_ref().1;
                let speaks_http_2 = session.alpn_protocol() == Some(tls::HTTP_2);
                let service = service(&self.router).certified(tls.client(session));
                if speaks_http_2 {
                    protocols::http_2(stream, service, &memory, watcher).await;
                } else {
                    protocols::http_1(stream, service, watcher).await;
                }
            }
            Some(Err(Failure::PlainHttp(stream))) => {
                let refusal = service(&dacapo_api::tls_required());
                protocols::http_1(Socket::new(stream, memory), refusal, watcher).await;
            }
            Some(Err(_)) | None => {}
        }
    }
}

/// A place for a client, once there is one. None if its address has as many as it may,
/// all of them at work.
async fn open(connections: &Arc<Connections>, client: IpAddr) -> Option<Connection> {
    loop {
        match connections.open(client) {
            Ok(connection) => return Some(connection),
            Err(NoRoom::OfAddress) => return None,
            // Who was idle when it was accepted has begun to work since.
            Err(NoRoom::AtAll) => connections.room().await,
        }
    }
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Connections>,
) -> (TcpStream, IpAddr, Connection) {
    loop {
        connections.room().await;
        match listener.accept().await {
            Ok((socket, client)) => {
                // Answers are small; waiting to fill a packet only delays them.
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%error, "a connection ended before it was served");
                    continue;
                }
                match open(connections, client.ip()).await {
                    Some(connection) => return (socket, client.ip(), connection),
                    None => tracing::debug!(%client, "a connection too many of its address"),
                }
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
