//! What modules hold while they are asked for their definitions.
//!
//! That is code of clients which nobody has accepted yet, and listing names takes little
//! memory, but where a language brings a large runtime. So one at a time may take much.

use std::sync::Arc;

use async_trait::async_trait;
use dacapo_engine::guest::Room;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

/// What each may take without its turn.
const SMALL_BYTES: usize = 32 * 1024 * 1024;

/// Room for all that are asked.
pub(super) struct Inspections {
    large: Arc<Semaphore>,
}

impl Inspections {
    pub(super) fn new() -> Self {
        Self { large: Arc::new(Semaphore::new(1)) }
    }

    /// Room for one of them.
    pub(super) fn room(&self) -> Arc<dyn Room> {
        Arc::new(Inspection { large: Arc::clone(&self.large), turn: OnceCell::new() })
    }
}

struct Inspection {
    large: Arc<Semaphore>,
    /// Kept until it has gone.
    turn: OnceCell<OwnedSemaphorePermit>,
}

#[async_trait]
impl Room for Inspection {
    async fn hold(&self, bytes: usize) {
        if bytes > SMALL_BYTES {
            // Nobody closes it.
            let _ = self.turn.get_or_try_init(|| Arc::clone(&self.large).acquire_owned()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn at_once(future: impl Future<Output = ()>) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn one_module_at_a_time_takes_much_for_listing_names() {
        let inspections = Inspections::new();
        let (one, other) = (inspections.room(), inspections.room());
        assert!(at_once(one.hold(SMALL_BYTES + 1)) && at_once(one.hold(8 * SMALL_BYTES)));
        assert!(at_once(other.hold(SMALL_BYTES)));
        assert!(!at_once(other.hold(SMALL_BYTES + 1)));
        drop(one);
        assert!(at_once(other.hold(SMALL_BYTES + 1)));
    }
}
