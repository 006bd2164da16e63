//! Where time comes from. Everything but [`SystemClock`] gets it as a parameter.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dacapo_model::time::Timestamp;
use futures::future::BoxFuture;
use tokio::time::Instant;

/// The time of day may be set at any moment, by any amount: who waits for one looks
/// at the clock again after so long.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Tells the time, and waits for it: all that happens to runs and attempts goes by
/// it. What a node does for itself goes by the machine: tries again, keeps an idle
/// run in memory, gives up a client.
///
/// A point in time that is recorded is one of [`now`](Self::now): it means the same
/// after a restart. A duration is measured by [`instant`](Self::instant): nobody can
/// set that.
pub trait Clock: Send + Sync {
    /// The time now. May jump, both ways.
    fn now(&self) -> Timestamp;

    /// Returns when it is `time`, and at once if it was already. When the clock is
    /// set, it goes by what it says then.
    fn sleep_until(&self, time: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let left = time.since(self.now());
                if left.is_zero() {
                    return;
                }
                self.wait_until(self.instant() + left.min(LOOK_AGAIN)).await;
            }
        })
    }

    /// The time now, of a clock that only goes forward: for waits that an
    /// adjustment of the other must not end, never for what is recorded.
    fn instant(&self) -> Instant;

    /// Returns when it is `instant`, and at once if it was already.
    fn wait_until(&self, instant: Instant) -> BoxFuture<'_, ()>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where the service reads the clock"
        )]
        let now = SystemTime::now();
        let micros = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the edge")]
    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn wait_until(&self, instant: Instant) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep_until(instant))
    }
}

/// The end of somebody's patience: a client's, or that of a long request. It goes by
/// the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) fn after(wait: Duration) -> Self {
        // None is further away than anybody can wait.
        Self(SystemClock.instant().checked_add(wait))
    }

    pub(crate) fn left(self) -> Duration {
        let now = SystemClock.instant();
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(now))
    }

    pub(crate) fn is_over(self) -> bool {
        self.left().is_zero()
    }
}

/// For ever, if there is no such time.
pub(crate) async fn wait_until(clock: &dyn Clock, instant: Option<Instant>) {
    match instant {
        Some(instant) => clock.wait_until(instant).await,
        None => std::future::pending().await,
    }
}
