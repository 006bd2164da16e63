//! Calendars: what a second, a minute, ... must be.

use serde::{Deserialize, Serialize};

use crate::spec::TEXT_BYTES_MAX;

/// Ranges of one field.
const RANGES_MAX: usize = 60;

/// Values of one field: `start`, and then every `step`-th up to `end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueRange {
    /// The first.
    pub start: u16,
    /// The last; none means the first alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u16>,
    /// From one to the next.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub step: u16,
}

fn one() -> u16 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_one(step: &u16) -> bool {
    *step == 1
}

/// All times whose fields all match. Unlike in a cron expression, the day of month and
/// the day of week must both match if both are named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Calendar {
    /// 0 to 59; none means 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub second: Vec<ValueRange>,
    /// 0 to 59; none means 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub minute: Vec<ValueRange>,
    /// 0 to 23; none means 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hour: Vec<ValueRange>,
    /// 1 to 31; none means each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub day_of_month: Vec<ValueRange>,
    /// 1 to 12; none means each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub month: Vec<ValueRange>,
    /// 1970 to 2200; none means each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub year: Vec<ValueRange>,
    /// 0 to 7, of which 0 and 7 are Sunday; none means each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub day_of_week: Vec<ValueRange>,
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// One field as cron writes it.
struct Field<'a> {
    name: &'a str,
    ranges: &'a [ValueRange],
    /// Which values there are.
    min: u16,
    max: u16,
    /// What it is if it is not named.
    absent: &'a str,
}

impl Calendar {
    /// The cron expression that matches the same, where both kinds of days must match.
    /// The time of an exclusion is any time if it is not named.
    pub(crate) fn as_cron(&self, is_exclusion: bool) -> Result<String, String> {
        if self.comment.len() > TEXT_BYTES_MAX {
            return Err(format!("its comment has more than {TEXT_BYTES_MAX} bytes"));
        }
        let of_day = if is_exclusion { "*" } else { "0" };
        let field =
            |name, ranges, min, max, absent| Field { name, ranges, min, max, absent }.text();
        let fields = [
            field("second", &self.second, 0, 59, of_day)?,
            field("minute", &self.minute, 0, 59, of_day)?,
            field("hour", &self.hour, 0, 23, of_day)?,
            field("day_of_month", &self.day_of_month, 1, 31, "*")?,
            field("month", &self.month, 1, 12, "*")?,
            field("day_of_week", &self.day_of_week, 0, 7, "*")?,
            field("year", &self.year, 1970, 2200, "*")?,
        ];
        Ok(fields.join(" "))
    }
}

impl Field<'_> {
    fn text(&self) -> Result<String, String> {
        let Self { name, ranges, min, max, absent } = *self;
        if ranges.is_empty() {
            return Ok(absent.to_owned());
        }
        if ranges.len() > RANGES_MAX {
            return Err(format!("{name} has more than {RANGES_MAX} ranges"));
        }
        let texts = ranges.iter().map(|range| {
            let (start, end, step) = (range.start, range.end.unwrap_or(range.start), range.step);
            if start < min || end > max || start > end {
                return Err(format!(
                    "{name} {start} to {end}: it goes from {min} to {max}, and no range ends \
                     before it starts"
                ));
            }
            if step == 0 {
                return Err(format!("{name} has a step of 0"));
            }
            let step = step.min(max);
            Ok(match (start == min && end == max, start == end, step) {
                (true, _, 1) => "*".to_owned(),
                (true, _, step) => format!("*/{step}"),
                (_, true, _) => start.to_string(),
                (.., 1) => format!("{start}-{end}"),
                (.., step) => format!("{start}-{end}/{step}"),
            })
        });
        let texts: Vec<_> = texts.collect::<Result<_, String>>()?;
        // Whatever else there is, it is each of them.
        Ok(if texts.iter().any(|text| text == "*") { "*".to_owned() } else { texts.join(",") })
    }
}
