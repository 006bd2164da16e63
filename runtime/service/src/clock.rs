//! Where time comes from. Everything but [`SystemClock`] gets it as a parameter.

use std::time::{SystemTime, UNIX_EPOCH};

use dacapo_model::time::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
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
}

/// The clock of this process that only goes forward: for waits, never for what is
/// recorded.
#[expect(clippy::disallowed_methods, reason = "this is the edge")]
pub(crate) fn instant() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
