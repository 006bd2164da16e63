//! The interface counts nanoseconds; Rust has types for that.

use std::time::{Duration, SystemTime};

/// Durations that don't fit (584 years) become the longest that does.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds since 1970; earlier times become that.
pub(crate) fn nanos_since_1970(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanos)
}

/// A point in time from nanoseconds since 1970.
pub(crate) fn instant(nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
}
