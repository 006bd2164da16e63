//! A specification that was read and checked, and its times.

use chrono_tz::Tz;
use dacapo_model::time::Timestamp;

use crate::exclusion::excluded_until;
use crate::interval::Interval;
use crate::jitter;
use crate::pattern::Pattern;
use crate::pattern_times::{HORIZON, next_after};
use crate::spec::{InvalidSpec, PARTS_MAX, ScheduleSpec};
use crate::zone::Zone;

/// Times, or stretches of times, that may be passed over in search of one.
const PASSED_OVER_MAX: usize = 20_000;

/// Longest jitter: a day.
const JITTER_SECONDS_MAX: u64 = 24 * 3600;

/// The first second of the year 3000. No time is after it, and none before 1970.
const LATEST: i64 = 32_503_680_000;

const MICROS: i64 = 1_000_000;

/// A schedule's times.
#[derive(Debug, Clone)]
pub struct Schedule {
    id: String,
    patterns: Vec<Pattern>,
    intervals: Vec<Interval>,
    exclusions: Vec<Pattern>,
    zone: Zone,
    jitter_micros: u64,
    /// Seconds since 1970, both included.
    first: i64,
    last: i64,
}

/// One time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// As the specification says.
    pub nominal: Timestamp,
    /// With jitter: not before it.
    pub at: Timestamp,
}

/// Times in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times {
    /// Those that were asked for.
    pub times: Vec<Due>,
    /// Whether there are more.
    pub more: bool,
}

/// The exclusions leave out so much that no time was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "after {} there are more than {PASSED_OVER_MAX} times that the exclusions leave out: leave \
     out less, or name fewer times",
    .after
)]
pub struct TooMuchWork {
    /// From where on.
    pub after: Timestamp,
}

impl Schedule {
    /// Reads a specification. The id is that of the schedule: two with the same
    /// specification have different jitter.
    pub fn new(spec: &ScheduleSpec, id: &str) -> Result<Self, InvalidSpec> {
        let ScheduleSpec { crons, calendars, intervals, .. } = spec;
        let (exclude_crons, exclude_calendars) = (&spec.exclude_crons, &spec.exclude_calendars);
        check_count("spec", crons.len() + calendars.len() + intervals.len())?;
        check_count("exclusions", exclude_crons.len() + exclude_calendars.len())?;
        let mut patterns = read("crons", crons, |it| Pattern::of_cron(it))?;
        patterns.extend(read("calendars", calendars, |it| Pattern::of_calendar(it, false))?);
        let mut exclusions =
            read("exclude_crons", exclude_crons, |it| Pattern::of_excluded_cron(it))?;
        let excluded =
            read("exclude_calendars", exclude_calendars, |it| Pattern::of_calendar(it, true))?;
        exclusions.extend(excluded);
        read("intervals", intervals, Interval::check)?;
        if spec.jitter_seconds > JITTER_SECONDS_MAX {
            let problem = format!("it is {}; at most {JITTER_SECONDS_MAX}", spec.jitter_seconds);
            return Err(InvalidSpec::at("jitter_seconds", problem));
        }
        let ceil = |it: Timestamp| {
            it.as_micros().div_euclid(MICROS) + i64::from(it.as_micros().rem_euclid(MICROS) > 0)
        };
        let first = spec.start_at.map_or(i64::MIN, ceil);
        let last = spec.end_at.map_or(i64::MAX, floor);
        if first > last {
            return Err(InvalidSpec::at("end_at", "it is before start_at"));
        }
        Ok(Self {
            id: id.to_owned(),
            patterns,
            intervals: intervals.clone(),
            exclusions,
            zone: zone(spec.time_zone.as_deref())?,
            jitter_micros: spec.jitter_seconds * MICROS.unsigned_abs(),
            first,
            last,
        })
    }

    /// The first time whose nominal time is after `after`; none if there is none in the
    /// next hundred years.
    pub fn next_after(&self, after: Timestamp) -> Result<Option<Due>, TooMuchWork> {
        let after = floor(after);
        match self.nominal_after(after)? {
            Some(nominal) => self.moved(nominal).map(Some),
            None => Ok(None),
        }
    }

    /// The times whose nominal times are after `after`, and at `until` at the latest.
    pub fn between(
        &self,
        after: Timestamp,
        until: Timestamp,
        max: usize,
    ) -> Result<Times, TooMuchWork> {
        let (mut after, until) = (floor(after), floor(until));
        let mut found = Times::default();
        while let Some(nominal) = self.nominal_after(after)?.filter(|time| *time <= until) {
            if found.times.len() >= max {
                found.more = true;
                break;
            }
            found.times.push(self.moved(nominal)?);
            after = nominal;
        }
        Ok(found)
    }

    fn nominal_after(&self, after: i64) -> Result<Option<i64>, TooMuchWork> {
        let mut after = after.max(self.first.saturating_sub(1)).clamp(-1, LATEST);
        let horizon = after.saturating_add(HORIZON).min(LATEST);
        for _ in 0..PASSED_OVER_MAX {
            let Some(next) = self.any_after(after).filter(|next| *next <= self.last.min(horizon))
            else {
                return Ok(None);
            };
            match excluded_until(&self.exclusions, self.zone, next) {
                None => return Ok(Some(next)),
                Some(until) => after = until,
            }
        }
        Err(TooMuchWork { after: timestamp(after) })
    }

    /// Whether or not it is excluded.
    fn any_after(&self, after: i64) -> Option<i64> {
        let of_patterns =
            self.patterns.iter().filter_map(|pattern| next_after(pattern, self.zone, after));
        let of_intervals = self.intervals.iter().map(|interval| interval.next_after(after));
        of_patterns.chain(of_intervals).min()
    }

    fn moved(&self, nominal: i64) -> Result<Due, TooMuchWork> {
        let time = timestamp(nominal);
        if self.jitter_micros == 0 {
            return Ok(Due { nominal: time, at: time });
        }
        // Times keep their order.
        let next = self.nominal_after(nominal)?.map_or(i64::MAX, timestamp_micros);
        let room = next.saturating_sub(time.as_micros()).unsigned_abs().min(self.jitter_micros);
        let part = jitter::part(&self.id, nominal, room);
        let micros = time.as_micros().saturating_add(i64::try_from(part).unwrap_or(0));
        Ok(Due { nominal: time, at: Timestamp::from_micros(micros) })
    }
}

fn check_count(place: &str, count: usize) -> Result<(), InvalidSpec> {
    if count <= PARTS_MAX {
        return Ok(());
    }
    Err(InvalidSpec::at(place, format!("it has {count} parts; at most {PARTS_MAX} are allowed")))
}

fn read<T, R>(
    name: &str,
    parts: &[T],
    read: impl Fn(&T) -> Result<R, String>,
) -> Result<Vec<R>, InvalidSpec> {
    let read_one = |(index, part): (usize, &T)| {
        read(part).map_err(|problem| InvalidSpec::at(format!("{name}[{index}]"), problem))
    };
    parts.iter().enumerate().map(read_one).collect()
}

fn zone(name: Option<&str>) -> Result<Zone, InvalidSpec> {
    let Some(name) = name else {
        return Ok(Zone(Tz::UTC));
    };
    name.parse().map(Zone).map_err(|_| {
        let shown: String = name.chars().take(64).filter(|it| !it.is_control()).collect();
        InvalidSpec::at(
            "time_zone",
            format!(
                "`{shown}` is no name of the IANA time zone database, such as `Europe/Berlin` or \
                 `UTC`"
            ),
        )
    })
}

fn floor(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(MICROS)
}

fn timestamp_micros(seconds: i64) -> i64 {
    seconds.saturating_mul(MICROS)
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_micros(timestamp_micros(seconds))
}
