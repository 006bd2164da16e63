//! Where time comes from. Everything but [`SystemClock`] gets it as a parameter.

use std::time::{SystemTime, UNIX_EPOCH};

use dacapo_model::time::Timestamp;
use futures::future::BoxFuture;

/// Tells the time, and waits for it: timers, backoffs and the timeouts of attempts
/// go by it. Heartbeats and graces go by the machine.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Returns when it is `time`, and at once if it was already.
    fn sleep_until(&self, time: Timestamp) -> BoxFuture<'_, ()>;
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

    fn sleep_until(&self, time: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(time.since(self.now())))
    }
}

/// The clock of this process that only goes forward: for waits, never for what is
/// recorded.
#[expect(clippy::disallowed_methods, reason = "this is the edge")]
pub(crate) fn instant() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
