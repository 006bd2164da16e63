//! How much a node has in hand: messages that no run has answered, runs that are
//! starting or going on, attempts of activities. Nothing in hand means that
//! nothing happens before a timer is due or somebody asks for something.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts what is in hand.
#[derive(Clone, Default)]
pub(crate) struct Workload(Arc<Counter>);

#[derive(Default)]
struct Counter {
    in_hand: AtomicUsize,
    changed: Notify,
}

/// Something in hand, until it is dropped. What follows from it has to be in hand
/// before that, so that the count never is zero in between.
pub(crate) struct Work(Arc<Counter>);

/// Something in hand that waits for its turn, until this is dropped: it is not
/// counted meanwhile.
pub(crate) struct Parked(Arc<Counter>);

impl Workload {
    /// One of the things in hand waits for others, or for its time.
    pub(crate) fn park(&self) -> Parked {
        self.0.in_hand.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
        Parked(self.0.clone())
    }

    /// One more thing is in hand.
    pub(crate) fn begin(&self) -> Work {
        self.0.in_hand.fetch_add(1, Ordering::SeqCst);
        Work(self.0.clone())
    }

    pub(crate) fn in_hand(&self) -> usize {
        self.0.in_hand.load(Ordering::SeqCst)
    }

    /// Returns once at most `max` things are in hand.
    pub(crate) async fn at_most(&self, max: usize) {
        loop {
            // Before looking, so that what ends meanwhile is not missed.
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.in_hand() <= max {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.0.in_hand.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_waiter_goes_on_once_few_enough_things_are_in_hand() {
        let workload = Workload::default();
        workload.at_most(0).await;
        let (first, second) = (workload.begin(), workload.begin());
        let mut waiting = std::pin::pin!(workload.at_most(1));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(first);
        waiting.await;
        assert_eq!(workload.in_hand(), 1);
        let parked = workload.park();
        workload.at_most(0).await;
        drop(parked);
        assert_eq!(workload.in_hand(), 1);
        drop(second);
        workload.at_most(0).await;
    }
}
