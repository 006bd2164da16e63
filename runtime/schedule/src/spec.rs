//! What a schedule is told about its times.

use dacapo_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::interval::Interval;

/// Crons, calendars and intervals of one specification, and as many exclusions.
pub(crate) const PARTS_MAX: usize = 100;

/// Bytes of one cron expression, and of one comment.
pub(crate) const TEXT_BYTES_MAX: usize = 256;

/// When a schedule is due: at each time of its crons, calendars and intervals that no
/// exclusion matches. One that has none is due when somebody triggers it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleSpec {
    /// Cron expressions: minute, hour, day of month, month, day of week, and if there are
    /// six fields a second in front, and if there are seven a year at the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crons: Vec<String>,
    /// Calendars.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calendars: Vec<Calendar>,
    /// Intervals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub intervals: Vec<Interval>,
    /// Times that match one of these are passed over; whole minutes if there are five
    /// fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_crons: Vec<String>,
    /// Times that match one of these are passed over. One that names no second, minute or
    /// hour matches every one of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_calendars: Vec<Calendar>,
    /// The time zone of crons and calendars, by its name in the IANA database; none means
    /// UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Each time is moved by a part of so many seconds, never past the next one.
    #[serde(skip_serializing_if = "is_zero")]
    pub jitter_seconds: u64,
    /// No time is before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Timestamp>,
    /// No time is after this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_at: Option<Timestamp>,
}

impl ScheduleSpec {
    /// Whether it names no times at all.
    pub fn is_empty(&self) -> bool {
        self.crons.is_empty() && self.calendars.is_empty() && self.intervals.is_empty()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(seconds: &u64) -> bool {
    *seconds == 0
}

/// A specification that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct InvalidSpec {
    /// Where, such as `crons[0]`.
    pub place: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl InvalidSpec {
    pub(crate) fn at(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}
