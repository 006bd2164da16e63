//! Intervals: every so many seconds, counted from 1970 on.

use serde::{Deserialize, Serialize};

/// Seconds of the longest interval: ten years.
const EVERY_SECONDS_MAX: u64 = 10 * 366 * 24 * 3600;

/// Each whole multiple of a time since 1970-01-01T00:00:00Z, and a phase after it. It knows
/// of no time zone: a day always has 24 hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// From one to the next.
    pub every_seconds: u64,
    /// How much later each is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub phase_seconds: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(seconds: &u64) -> bool {
    *seconds == 0
}

impl Interval {
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(1..=EVERY_SECONDS_MAX).contains(&self.every_seconds) {
            return Err(format!(
                "every_seconds is {}; it must be 1 to {EVERY_SECONDS_MAX}",
                self.every_seconds
            ));
        }
        if self.phase_seconds >= self.every_seconds {
            return Err(format!(
                "phase_seconds is {}; it must be less than every_seconds, which is {}",
                self.phase_seconds, self.every_seconds
            ));
        }
        Ok(())
    }

    /// The first time after `after`, in seconds since 1970.
    pub(crate) fn next_after(&self, after: i64) -> i64 {
        // In range: both are at most ten years.
        let every = i64::try_from(self.every_seconds).unwrap_or(i64::MAX);
        let phase = i64::try_from(self.phase_seconds).unwrap_or(0);
        let since = after.saturating_sub(phase);
        let whole = since.div_euclid(every).saturating_add(1);
        whole.saturating_mul(every).saturating_add(phase)
    }
}
