//! When a schedule is due.

use dacapo_model::time::Timestamp;
use dacapo_service::operations;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::object;

/// Values of one field of a calendar: `start`, and then every `step`-th up to `end`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValueRange {
    /// The first.
    #[schema(maximum = 65535)]
    start: u16,
    /// The last; the first alone if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 65535)]
    end: Option<u16>,
    /// From one to the next; 1 if absent.
    #[serde(default = "one")]
    #[schema(maximum = 65535)]
    step: u16,
}

fn one() -> u16 {
    1
}

/// All times whose fields all match.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleCalendar {
    /// 0 to 59; 0 if absent, and in an exclusion each.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    second: Vec<ValueRange>,
    /// 0 to 59; 0 if absent, and in an exclusion each.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    minute: Vec<ValueRange>,
    /// 0 to 23; 0 if absent, and in an exclusion each.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    hour: Vec<ValueRange>,
    /// 1 to 31; each if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    day_of_month: Vec<ValueRange>,
    /// 1 to 12; each if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    month: Vec<ValueRange>,
    /// 1970 to 2200; each if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    year: Vec<ValueRange>,
    /// 0 to 7, of which 0 and 7 are Sunday; each if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    day_of_week: Vec<ValueRange>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    comment: String,
}

/// Each multiple of a time since 1970-01-01T00:00:00Z, and a phase after it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleInterval {
    /// From one time to the next.
    #[schema(example = 3600)]
    every_seconds: u64,
    /// How much later each is.
    #[serde(default)]
    phase_seconds: u64,
}

/// When a schedule is due: at each time of its crons, calendars and intervals that no exclusion
/// matches. One that has none is due when it is triggered.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleSpec {
    /// Cron expressions of five fields (minute, hour, day of month, month, day of week), or six (with
    /// a second in front), or seven (with a year at the end).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["30 2 * * MON-FRI"]))]
    crons: Vec<String>,
    /// Calendars.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    calendars: Vec<ScheduleCalendar>,
    /// Intervals.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    intervals: Vec<ScheduleInterval>,
    /// Times that match one of these cron expressions are passed over; whole minutes if there are
    /// five fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    exclude_crons: Vec<String>,
    /// Times that match one of these are passed over.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    exclude_calendars: Vec<ScheduleCalendar>,
    /// The time zone of crons and calendars, by its name in the IANA database; UTC if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// Each time is moved by a part of so many seconds, never past the next one.
    #[serde(default)]
    jitter_seconds: u64,
    /// No time is before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    start_at: Option<Timestamp>,
    /// No time is after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    end_at: Option<Timestamp>,
}

/// Both conversions of a type whose fields have the same names.
macro_rules! same_fields {
    ($ours:ident = $theirs:path { $($field:ident),* }) => {
        impl From<$ours> for $theirs {
            fn from(it: $ours) -> Self {
                Self { $($field: converted(it.$field)),* }
            }
        }

        impl From<$theirs> for $ours {
            fn from(it: $theirs) -> Self {
                Self { $($field: converted(it.$field)),* }
            }
        }
    };
}

/// What may be in a field: itself, or a list.
trait Converted<T> {
    fn convert(self) -> T;
}

fn converted<T, U: Converted<T>>(it: U) -> T {
    it.convert()
}

macro_rules! itself {
    ($($kind:ty),*) => {
        $(impl Converted<$kind> for $kind {
            fn convert(self) -> $kind {
                self
            }
        })*
    };
}

itself!(u16, u64, String, Option<u16>, Option<String>, Option<Timestamp>, Vec<String>);

macro_rules! list_of {
    ($($ours:ty = $theirs:ty),*) => {
        $(
            impl Converted<Vec<$theirs>> for Vec<$ours> {
                fn convert(self) -> Vec<$theirs> {
                    self.into_iter().map(Into::into).collect()
                }
            }

            impl Converted<Vec<$ours>> for Vec<$theirs> {
                fn convert(self) -> Vec<$ours> {
                    self.into_iter().map(Into::into).collect()
                }
            }
        )*
    };
}

list_of!(
    ValueRange = operations::ValueRange,
    ScheduleCalendar = operations::Calendar,
    ScheduleInterval = operations::Interval
);

same_fields!(ValueRange = operations::ValueRange { start, end, step });
same_fields!(ScheduleInterval = operations::Interval { every_seconds, phase_seconds });
same_fields!(
    ScheduleCalendar = operations::Calendar {
        second,
        minute,
        hour,
        day_of_month,
        month,
        year,
        day_of_week,
        comment
    }
);
same_fields!(
    ScheduleSpec = operations::ScheduleSpec {
        crons,
        calendars,
        intervals,
        exclude_crons,
        exclude_calendars,
        time_zone,
        jitter_seconds,
        start_at,
        end_at
    }
);
