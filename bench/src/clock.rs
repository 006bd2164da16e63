//! The clocks of the machine: a benchmark is about real time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// For durations.
#[expect(clippy::disallowed_methods, reason = "durations are what is measured")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Microseconds since 1970, to compare with what servers record.
#[expect(clippy::disallowed_methods, reason = "compared with the times in histories")]
pub(crate) fn wall_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
