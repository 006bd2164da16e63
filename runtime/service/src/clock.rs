//! Where time comes from. Everything but [`SystemClock`] gets it as a parameter.

use std::time::{SystemTime, UNIX_EPOCH};

use dacapo_model::time::Timestamp;
use futures::future::BoxFuture;
use tokio::time::Instant;

/// Tells the time, and waits for it: all that happens to runs and attempts goes by
/// it. What a node does for itself goes by the machine: tries again, keeps an idle
/// run in memory, gives up a client.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Returns when it is `time`, and at once if it was already.
    fn sleep_until(&self, time: Timestamp) -> BoxFuture<'_, ()>;

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

    fn sleep_until(&self, time: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(time.since(self.now())))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the edge")]
    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn wait_until(&self, instant: Instant) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep_until(instant))
    }
}

/// For ever, if there is no such time.
pub(crate) async fn wait_until(clock: &dyn Clock, instant: Option<Instant>) {
    match instant {
        Some(instant) => clock.wait_until(instant).await,
        None => std::future::pending().await,
    }
}
