//! The signals that stop a server: the first one in order, the second at once.

use std::io;
use std::pin::Pin;

use tokio::signal::unix::{SignalKind, signal};

/// What a shell reports for a process that SIGINT ended.
const EXIT_INTERRUPTED: i32 = 130;

/// A request to stop that may still come.
pub(crate) type StopRequested = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Resolves at the first SIGINT or SIGTERM. From then on, a further one ends
/// the process at once: an operator who asks twice does not want to wait.
///
/// # Errors
///
/// If the process may not handle signals.
pub(crate) fn stop_requested() -> io::Result<StopRequested> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(Box::pin(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(EXIT_INTERRUPTED);
        });
    }))
}
