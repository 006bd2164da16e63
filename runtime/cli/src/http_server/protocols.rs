//! HTTP/1.1 and HTTP/2 on a connection, with what a client may make each of them hold.

use std::sync::Arc;
use std::time::Duration;

use dacapo_api::MemoryBudget;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connections::Busy;
use super::pieces::Untaken;

/// How long a client may take to send the head of a request, and how long an
/// idle connection of HTTP/1.1 is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes that a connection holds of what was read and not taken, or is to be
/// written. So the head of a request may have as many in HTTP/1.1.
pub(crate) const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Requests of one connection at a time. A client that has more to ask opens another one.
const REQUESTS_MAX: u32 = 32;

/// Bytes of the head of a request in HTTP/2: each is charged for so many.
const HEAD_BYTES_MAX: u32 = 16 * 1024;

/// Bytes of bodies that were read and not taken, on a connection and of a request.
const WINDOW_BYTES: u32 = 64 * 1024;

/// How often it is asked whether a client is still there, and how long it may take to say so.
/// It can't in the middle of a head.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What is encrypted, or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// Serves HTTP/1.1 to the end of the connection.
pub(super) async fn http_1(stream: impl Stream, service: Busy, watcher: Watcher) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(BUFFER_BYTES_MAX);
    ended(watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await);
}

/// Serves HTTP/2 to the end of the connection, or until its client leaves an answer untaken.
pub(super) async fn http_2(
    stream: impl Stream,
    service: Busy,
    memory: &MemoryBudget,
    watcher: Watcher,
) {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(REQUESTS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    let untaken = Arc::new(Untaken::default());
    let service = service.shared(Arc::clone(&untaken));
    tokio::select! {
        end = watcher.watch(http.serve_connection(TokioIo::new(stream), service)) => ended(end),
        () = untaken.stalls(memory) => {
            tracing::debug!("a connection was closed: its client does not take an answer");
        }
    }
}

fn ended(end: hyper::Result<()>) {
    if let Err(error) = end {
        tracing::debug!(%error, "a connection ended early");
    }
}
