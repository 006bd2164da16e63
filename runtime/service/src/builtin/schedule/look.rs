//! Which times are due, and which is next. Time zones and cron expressions may be read
//! otherwise by a later version: so it is found out once and recorded.

use dacapo_engine::replay::Cursor;
use dacapo_model::ids::ValueName;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_schedule::{Schedule, ScheduleSpec};
use serde::{Deserialize, Serialize};

use crate::builtin::program::Fault;
use std::time::Duration;

/// Times that one look finds. Another follows if there are more.
const DUE_MAX: usize = 100;

/// Missed times that are counted exactly.
const MISSED_MAX: usize = 1_000;

/// What a look has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Found {
    /// Nominal times that are to be acted on now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) due: Vec<Timestamp>,
    /// Up to here, times are due or missed.
    pub(super) until: Timestamp,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) missed: u64,
    /// When to look again; none if nothing will be due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<Timestamp>,
    /// Why nothing can be found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Looks for times whose nominal times are after `after`.
pub(super) fn look(
    cursor: &mut Cursor,
    spec: &ScheduleSpec,
    id: &str,
    after: Timestamp,
    catchup_window: Duration,
) -> Result<Found, Fault> {
    let name = || ValueName::new("times").map_err(|error| Fault::Unreadable(error.to_string()));
    if let Some(recorded) = cursor.recorded_value(name()?)? {
        let found = serde_json::from_slice(recorded.as_bytes());
        return found.map_err(|error| Fault::Unreadable(error.to_string()));
    }
    let found = find(spec, id, after, cursor.now(), catchup_window).unwrap_or_else(|problem| {
        Found { until: after, problem: Some(problem), ..Found::default() }
    });
    let text = serde_json::to_vec(&found).map_err(|error| Fault::Unreadable(error.to_string()))?;
    cursor.record_value(name()?, Payload::from(text))?;
    Ok(found)
}

fn find(
    spec: &ScheduleSpec,
    id: &str,
    after: Timestamp,
    now: Timestamp,
    catchup_window: Duration,
) -> Result<Found, String> {
    let schedule = Schedule::new(spec, id).map_err(|error| error.to_string())?;
    let mut found = Found { until: after, ..Found::default() };
    // All that are longer ago, whatever their jitter. They may be very many.
    let caught_up = now.before(catchup_window).before(Duration::from_secs(spec.jitter_seconds));
    if caught_up > after {
        let missed = schedule.between(after, caught_up, MISSED_MAX);
        found.missed = missed.map_err(|error| error.to_string())?.times.len() as u64;
        found.until = caught_up;
    }
    let ready = schedule.between(found.until, now, DUE_MAX).map_err(|error| error.to_string())?;
    for due in ready.times {
        if due.at > now {
            break;
        }
        found.until = due.nominal;
        match due.at < now.before(catchup_window) {
            true => found.missed += 1,
            false => found.due.push(due.nominal),
        }
    }
    let next = schedule.next_after(found.until).map_err(|error| error.to_string())?;
    found.next = next.map(|due| due.at);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn each_minute() -> ScheduleSpec {
        ScheduleSpec { crons: vec!["* * * * *".to_owned()], ..ScheduleSpec::default() }
    }

    fn find(after: i64, now: i64, window: Duration) -> Found {
        super::find(&each_minute(), "s", at(after), at(now), window).expect("valid")
    }

    #[test]
    fn nothing_is_due_before_its_time_and_the_next_is_known() {
        let found = find(0, 59, HOUR);
        assert_eq!((found.due, found.next, found.missed), (vec![], Some(at(60)), 0));
        let found = find(0, 60, HOUR);
        assert_eq!((found.due, found.next, found.until), (vec![at(60)], Some(at(120)), at(60)));
    }

    #[test]
    fn what_is_longer_ago_than_the_window_is_missed() {
        let found = find(0, 1000 * 60, Duration::from_secs(150));
        assert_eq!(found.due, [at(998 * 60), at(999 * 60), at(1000 * 60)]);
        assert_eq!((found.missed, found.next), (997, Some(at(1001 * 60))));
        // It is not counted for ever.
        let found = find(0, 1_000_000_000, Duration::from_secs(10));
        assert_eq!(found.missed, 1_000);
    }

    #[test]
    fn many_are_found_in_several_looks() {
        let first = find(0, 150 * 60, 100 * HOUR);
        assert_eq!((first.due.len(), first.next), (100, Some(at(101 * 60))));
        let second = find(100 * 60, 150 * 60, 100 * HOUR);
        assert_eq!((second.due.len(), second.next), (50, Some(at(151 * 60))));
    }

    #[test]
    fn a_clock_that_goes_back_finds_nothing_a_second_time() {
        let found = find(100 * 60, 50 * 60, HOUR);
        assert_eq!((found.due, found.next, found.until), (vec![], Some(at(101 * 60)), at(6000)));
    }
}
