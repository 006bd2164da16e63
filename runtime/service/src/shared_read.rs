//! One read at a time of what the store has, shared by those who wait for it.

use std::sync::atomic::{AtomicU64, Ordering};

use dacapo_store::error::Result as StoreResult;

use crate::error::{Result, ServiceError};

/// Those who ask while a read is under way share the next one: so whoever asks for what is
/// not there costs the store one read at a time, however many there are.
pub(crate) struct SharedRead {
    /// Reads that have begun.
    begun: AtomicU64,
    /// One reads at a time.
    last: tokio::sync::Mutex<Read>,
}

/// The last read that ended.
struct Read {
    number: u64,
    outcome: Result<()>,
}

impl SharedRead {
    pub(crate) fn new() -> Self {
        let last = tokio::sync::Mutex::new(Read { number: 0, outcome: Ok(()) });
        Self { begun: AtomicU64::new(0), last }
    }

    /// Returns once a read has ended that began after this was asked for.
    pub(crate) async fn after_now(
        &self,
        read: impl AsyncFnOnce() -> StoreResult<()>,
    ) -> Result<()> {
        // One that is under way may have read before the change that matters.
        let enough = self.begun.load(Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if last.number < enough {
            let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let outcome = read().await.map_err(ServiceError::from);
            *last = Read { number, outcome };
        }
        last.outcome.clone()
    }
}
