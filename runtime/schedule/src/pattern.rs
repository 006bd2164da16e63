//! A cron expression, or a calendar, as a pattern of civil times.

use croner::Cron;
use croner::parser::CronParser;

use crate::calendar::Calendar;
use crate::cron_fault::fault;
use crate::spec::TEXT_BYTES_MAX;
use crate::zone::{civil, seconds};

/// What civil times look like that match.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    cron: Cron,
    /// It names certain hours and minutes: neither field begins with `*`.
    pub(crate) is_fixed: bool,
    /// Within how many seconds all times match if one does.
    pub(crate) block: i64,
}

impl Pattern {
    pub(crate) fn of_cron(text: &str) -> Result<Self, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("it has more than {TEXT_BYTES_MAX} bytes"));
        }
        let text = text.trim();
        let upper = text.to_ascii_uppercase();
        if upper.starts_with("TZ=") || upper.starts_with("CRON_TZ=") {
            return Err("name the time zone in time_zone instead".to_owned());
        }
        if upper.starts_with("@EVERY") {
            return Err("use an interval instead of @every".to_owned());
        }
        let text = if upper == "@MIDNIGHT" { "@daily" } else { text };
        Self::of(CronParser::new().parse(text).map_err(|_| fault(text))?)
    }

    /// One with five fields is about whole minutes.
    pub(crate) fn of_excluded_cron(text: &str) -> Result<Self, String> {
        match text.split_whitespace().count() {
            // What is wrong with it is said of it as it was written.
            5 => Self::of_cron(text).and_then(|_| Self::of_cron(&format!("* {}", text.trim()))),
            _ => Self::of_cron(text),
        }
    }

    pub(crate) fn of_calendar(calendar: &Calendar, is_exclusion: bool) -> Result<Self, String> {
        let text = calendar.as_cron(is_exclusion)?;
        let cron = CronParser::builder().dom_and_dow(true).build().parse(&text);
        Self::of(cron.map_err(|_| "its fields do not go together".to_owned())?)
    }

    fn of(cron: Cron) -> Result<Self, String> {
        let fields = &cron.pattern;
        let is_fixed = !fields.hours.from_wildcard && !fields.minutes.from_wildcard;
        let all = [(&fields.seconds, 60), (&fields.minutes, 60), (&fields.hours, 24)];
        let full = all.into_iter().take_while(|(field, count)| field.values().len() == *count);
        let block = full.map(|(_, count)| i64::try_from(count).unwrap_or(1)).product();
        let pattern = Self { cron, is_fixed, block };
        // 1970 is as good as any year: there is a leap year among the next, and each date
        // falls on each day of the week.
        match pattern.next(0) {
            Some(_) => Ok(pattern),
            None => Err("there is no such day in any year".to_owned()),
        }
    }

    /// The first civil time that matches, from this one on.
    pub(crate) fn next(&self, from: i64) -> Option<i64> {
        self.cron.find_next_occurrence(&civil(from), true).ok().map(seconds)
    }

    pub(crate) fn matches(&self, time: i64) -> bool {
        self.cron.is_time_matching(&civil(time)).unwrap_or(false)
    }
}
