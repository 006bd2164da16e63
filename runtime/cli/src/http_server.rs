//! Accepts connections and serves the API on them, until it is told to stop.
//!
//! Clients are hostile: the number of connections is bounded, and so is the time
//! a client may take to send a request's head. HTTP/1.1 only, since HTTP/2
//! without TLS is hardly used and would need limits of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections open at a time. Further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 8192;

/// How long a client may take to send the head of a request, and how long an
/// idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Wait after `accept` failed for lack of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is cancelled; then takes no new connection and gives the
/// requests under way `grace` to finish.
pub(crate) async fn serve(
    listener: Arc<TcpListener>,
    router: Router,
    stop: CancellationToken,
    grace: Duration,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = GracefulShutdown::new();

    while let Some((socket, permit)) = tokio::select! {
        accepted = accept(&listener, &permits) => accepted,
        () = stop.cancelled() => None,
    } {
        let service = TowerToHyperService::new(router.clone());
        let connection = http.serve_connection(TokioIo::new(socket), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }

    drop(listener);
    if tokio::time::timeout(grace, connections.shutdown()).await.is_err() {
        tracing::warn!(?grace, "requests were still under way; their connections are closed");
    }
}

/// The next connection, once there is room for it. None if there never will be.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                // Answers are small; waiting to fill a packet only delays them.
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%error, "a connection ended before it was served");
                    continue;
                }
                return Some((socket, permit));
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
