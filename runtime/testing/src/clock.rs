//! Time that stands still until the test, or an idle server, moves it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use dacapo_model::time::Timestamp;
use dacapo_service::clock::{Clock, SystemClock};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;

/// A clock that is moved. Never goes back.
#[derive(Clone)]
pub(crate) struct VirtualClock(Arc<Mutex<State>>);

struct State {
    now: Timestamp,
    /// Who waits, by time, until they have gone on.
    sleepers: BTreeMap<(Timestamp, u64), Sleeper>,
    slept: u64,
    /// When it began, by itself and by the machine: instants of this clock count
    /// from there.
    began: (Timestamp, Instant),
}

struct Sleeper {
    /// There while one is to be called.
    waker: Option<Waker>,
    /// Something happens to an attempt then, whether or not a row says so.
    is_wait: bool,
}

impl VirtualClock {
    pub(crate) fn new(now: Timestamp) -> Self {
        let began = (now, SystemClock.instant());
        Self(Arc::new(Mutex::new(State { now, sleepers: BTreeMap::new(), slept: 0, began })))
    }

    /// Moves to `time`, unless it is past.
    pub(crate) fn move_to(&self, time: Timestamp) {
        let mut state = self.0.lock();
        state.now = state.now.max(time);
        let now = state.now;
        let due = state.sleepers.range_mut(..=(now, u64::MAX));
        let wakers: Vec<_> = due.filter_map(|(_, sleeper)| sleeper.waker.take()).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// True if somebody's time has come who has not gone on yet.
    pub(crate) fn is_waking(&self) -> bool {
        let state = self.0.lock();
        state.sleepers.keys().next().is_some_and(|(time, _)| *time <= state.now)
    }

    /// The time at which something happens to an attempt next: it was silent for
    /// too long, or has waited for too long.
    pub(crate) fn next_wait(&self) -> Option<Timestamp> {
        let state = self.0.lock();
        let mut waits = state.sleepers.iter().filter(|(_, sleeper)| sleeper.is_wait);
        waits.next().map(|((time, _), _)| *time)
    }

    fn sleep(&self, time: Timestamp, is_wait: bool) -> Sleep {
        let mut state = self.0.lock();
        state.slept += 1;
        let key = (time, state.slept);
        // At once, so that nobody overlooks a sleeper that was not polled yet.
        state.sleepers.insert(key, Sleeper { waker: None, is_wait });
        Sleep { clock: self.clone(), key }
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
        Box::pin(self.sleep(time, false))
    }

    fn instant(&self) -> Instant {
        let state = self.0.lock();
        let (began, instant) = state.began;
        instant + state.now.since(began)
    }

    fn wait_until(&self, instant: Instant) -> BoxFuture<'_, ()> {
        let (began, first) = self.0.lock().began;
        // The clock goes in whole microseconds: never early.
        let until = instant.saturating_duration_since(first);
        Box::pin(self.sleep(began.after(until), true))
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
        if let Some(sleeper) = state.sleepers.get_mut(&self.key) {
            sleeper.waker = Some(cx.waker().clone());
        }
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
    use std::time::Duration;

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
    fn instants_go_with_the_time_and_waits_for_them_are_known() {
        let clock = VirtualClock::new(at(10));
        let first = clock.instant();
        assert_eq!(clock.next_wait(), None);
        let _sleeper = clock.sleep_until(at(12));
        let mut wait = clock.wait_until(first + Duration::from_nanos(4_500));
        assert_eq!(clock.next_wait(), Some(at(15)), "never early");
        clock.move_to(at(14));
        assert_eq!(clock.instant() - first, Duration::from_micros(4));
        assert!((&mut wait).now_or_never().is_none());
        clock.move_to(at(15));
        assert!((&mut wait).now_or_never().is_some());
    }

    #[test]
    fn time_never_goes_back() {
        let clock = VirtualClock::new(at(10));
        clock.move_to(at(5));
        assert_eq!(clock.now(), at(10));
    }
}
