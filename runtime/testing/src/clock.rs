//! Time that stands still until the test, or an idle server, moves it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use dacapo_model::time::Timestamp;
use dacapo_service::clock::Clock;
use futures::future::BoxFuture;
use parking_lot::Mutex;

/// A clock that is moved. Never goes back.
#[derive(Clone)]
pub(crate) struct VirtualClock(Arc<Mutex<State>>);

struct State {
    now: Timestamp,
    /// Who waits, by time, until they have gone on. A waker is there while one is
    /// to be called.
    sleepers: BTreeMap<(Timestamp, u64), Option<Waker>>,
    slept: u64,
}

impl VirtualClock {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State { now, sleepers: BTreeMap::new(), slept: 0 })))
    }

    /// Moves to `time`, unless it is past.
    pub(crate) fn move_to(&self, time: Timestamp) {
        let mut state = self.0.lock();
        state.now = state.now.max(time);
        let now = state.now;
        let due = state.sleepers.range_mut(..=(now, u64::MAX));
        let wakers: Vec<_> = due.filter_map(|(_, waker)| waker.take()).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// True if somebody's time has come who has not gone on yet.
    pub(crate) fn is_waking(&self) -> bool {
        let state = self.0.lock();
        state.sleepers.keys().next().is_some_and(|(time, _)| *time <= state.now)
    }

    /// The time that somebody waits for next.
    pub(crate) fn next_sleeper(&self) -> Option<Timestamp> {
        self.0.lock().sleepers.keys().next().map(|(time, _)| *time)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().now
    }

    fn sleep_until(&self, time: Timestamp) -> BoxFuture<'_, ()> {
        let mut state = self.0.lock();
        state.slept += 1;
        let key = (time, state.slept);
        // At once, so that nobody overlooks a sleeper that was not polled yet.
        state.sleepers.insert(key, None);
        Box::pin(Sleep { clock: self.clone(), key })
    }
}

struct Sleep {
    clock: VirtualClock,
    key: (Timestamp, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.0.lock();
        if self.key.0 <= state.now {
            return Poll::Ready(());
        }
        state.sleepers.insert(self.key, Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.0.lock().sleepers.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn sleepers_wake_when_their_time_has_come_and_not_before() {
        let clock = VirtualClock::new(at(10));
        let mut early = clock.sleep_until(at(20));
        let mut late = clock.sleep_until(at(30));
        assert!(clock.sleep_until(at(10)).now_or_never().is_some());
        assert_eq!(clock.next_sleeper(), Some(at(20)));
        assert!((&mut early).now_or_never().is_none());
        assert!(!clock.is_waking());
        clock.move_to(at(20));
        assert!(clock.is_waking(), "it has not gone on yet");
        assert!((&mut early).now_or_never().is_some());
        assert!((&mut late).now_or_never().is_none());
        drop(early);
        assert!(!clock.is_waking());
        assert_eq!(clock.next_sleeper(), Some(at(30)));
        drop(late);
        assert_eq!(clock.next_sleeper(), None);
    }

    #[test]
    fn time_never_goes_back() {
        let clock = VirtualClock::new(at(10));
        clock.move_to(at(5));
        assert_eq!(clock.now(), at(10));
    }
}
