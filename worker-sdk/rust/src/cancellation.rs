//! Why a function is to end.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// Why a function is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelReason {
    /// The workflow asked for it.
    Requested,
    /// The lease is lost: another attempt may be under way, and nobody hears how this one
    /// ends.
    LeaseLost,
    /// The worker stops, and its grace is over.
    Shutdown,
}

/// What an attempt is told while it runs.
#[derive(Debug, Default)]
pub(crate) struct Cancellation {
    token: CancellationToken,
    reason: OnceLock<CancelReason>,
    paused: AtomicBool,
}

impl Cancellation {
    /// Asks the function to end. The first reason counts.
    pub(crate) fn cancel(&self, reason: CancelReason) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    pub(crate) fn reason(&self) -> Option<CancelReason> {
        self.reason.get().copied()
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }

    pub(crate) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_counts() {
        let cancellation = Cancellation::default();
        assert_eq!(cancellation.reason(), None);
        cancellation.cancel(CancelReason::Requested);
        cancellation.cancel(CancelReason::Shutdown);
        assert_eq!(cancellation.reason(), Some(CancelReason::Requested));
        assert!(cancellation.token().is_cancelled());
    }
}
