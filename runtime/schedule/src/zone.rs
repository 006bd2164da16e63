//! A time zone: what its clocks show, and when they are changed.

use chrono::{DateTime, NaiveDateTime, Offset as _, TimeZone as _};
use chrono_tz::Tz;

/// No two changes of one zone that matter are nearer to each other.
const STEP: i64 = 3 * 24 * 3600;

/// The clocks of a time zone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Zone(pub(crate) Tz);

/// The clocks are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    /// The first second with the new offset.
    pub(crate) at: i64,
    /// Seconds that local time is ahead of UTC before.
    pub(crate) before: i64,
    /// The same from then on.
    pub(crate) after: i64,
}

impl Zone {
    /// Seconds that local time is ahead of UTC.
    pub(crate) fn offset(self, instant: i64) -> i64 {
        let utc = civil(instant);
        i64::from(self.0.offset_from_utc_datetime(&utc).fix().local_minus_utc())
    }

    /// The first change after `from`, up to `until` itself.
    pub(crate) fn change_between(self, from: i64, until: i64) -> Option<Change> {
        if self.0 == Tz::UTC {
            return None;
        }
        let before = self.offset(from);
        let mut low = from;
        while low < until {
            let mut high = low.saturating_add(STEP).min(until);
            if self.offset(high) == before {
                low = high;
                continue;
            }
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if self.offset(middle) == before { low = middle } else { high = middle }
            }
            return Some(Change { at: high, before, after: self.offset(high) });
        }
        None
    }
}

/// What a clock shows that is never changed. Within the years that anything here reaches.
pub(crate) fn civil(seconds: i64) -> NaiveDateTime {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::UNIX_EPOCH).naive_utc()
}

/// The reverse of [`civil`].
pub(crate) fn seconds(civil: NaiveDateTime) -> i64 {
    civil.and_utc().timestamp()
}
