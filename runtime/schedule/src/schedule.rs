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

/// Times, or stretches of times, that one search may pass over.
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
        let mut search = Search::new(self, floor(after));
        let Some(nominal) = search.next()? else { return Ok(None) };
        // Only jitter depends on the time after it.
        let following = if self.jitter_micros == 0 { None } else { search.next()? };
        Ok(Some(self.moved(nominal, following)))
    }

    /// The times whose nominal times are after `after`, and at `until` at the latest.
    pub fn between(
        &self,
        after: Timestamp,
        until: Timestamp,
        max: usize,
    ) -> Result<Times, TooMuchWork> {
        let until = floor(until);
        let mut search = Search::new(self, floor(after));
        let mut found = Times::default();
        let mut next = search.next()?;
        while let Some(nominal) = next.filter(|time| *time <= until) {
            if found.times.len() >= max {
                found.more = true;
                break;
            }
            next = search.next()?;
            found.times.push(self.moved(nominal, next));
        }
        Ok(found)
    }

    /// With jitter, but not after the time that follows: times keep their order.
    fn moved(&self, nominal: i64, following: Option<i64>) -> Due {
        let time = timestamp(nominal);
        if self.jitter_micros == 0 {
            return Due { nominal: time, at: time };
        }
        let next = following.map_or(i64::MAX, timestamp_micros);
        let room = next.saturating_sub(time.as_micros()).unsigned_abs().min(self.jitter_micros);
        let part = jitter::part(&self.id, nominal, room);
        let micros = time.as_micros().saturating_add(i64::try_from(part).unwrap_or(0));
        Due { nominal: time, at: Timestamp::from_micros(micros) }
    }
}

/// One search for the times of a schedule, in order. What a part of the specification names
/// next is looked for once: a rare time among frequent ones costs no more than they do.
struct Search<'a> {
    schedule: &'a Schedule,
    /// The last time that was found or passed over.
    after: i64,
    /// Nobody waits for longer.
    last: i64,
    /// What each part names next.
    of_patterns: Vec<Ahead>,
    of_intervals: Vec<Ahead>,
    /// What has been looked for in vain. It bounds the whole search.
    passed_over: usize,
}

/// What one part names next.
#[derive(Clone, Copy)]
enum Ahead {
    Unknown,
    At(i64),
    Never,
}

impl<'a> Search<'a> {
    fn new(schedule: &'a Schedule, after: i64) -> Self {
        let after = after.max(schedule.first.saturating_sub(1)).clamp(-1, LATEST);
        Self {
            schedule,
            after,
            last: after.saturating_add(HORIZON).min(LATEST).min(schedule.last),
            of_patterns: vec![Ahead::Unknown; schedule.patterns.len()],
            of_intervals: vec![Ahead::Unknown; schedule.intervals.len()],
            passed_over: 0,
        }
    }

    /// The next time that is not excluded.
    fn next(&mut self) -> Result<Option<i64>, TooMuchWork> {
        let Schedule { exclusions, zone, .. } = self.schedule;
        loop {
            let Some(next) = self.any().filter(|next| *next <= self.last) else {
                return Ok(None);
            };
            let Some(until) = excluded_until(exclusions, *zone, next) else {
                self.after = next;
                return Ok(Some(next));
            };
            self.after = until;
            self.passed_over += 1;
            if self.passed_over >= PASSED_OVER_MAX {
                return Err(TooMuchWork { after: timestamp(self.after) });
            }
        }
    }

    /// The next one, excluded or not.
    fn any(&mut self) -> Option<i64> {
        let Schedule { patterns, intervals, zone, .. } = self.schedule;
        let (after, mut first) = (self.after, None::<i64>);
        let mut earlier = |ahead: Ahead| {
            if let Ahead::At(time) = ahead {
                first = Some(first.map_or(time, |first| first.min(time)));
            }
        };
        for (ahead, pattern) in self.of_patterns.iter_mut().zip(patterns) {
            ahead.move_past(after, || next_after(pattern, *zone, after));
            earlier(*ahead);
        }
        for (ahead, interval) in self.of_intervals.iter_mut().zip(intervals) {
            ahead.move_past(after, || Some(interval.next_after(after)));
            earlier(*ahead);
        }
        first
    }
}

impl Ahead {
    fn move_past(&mut self, after: i64, next: impl FnOnce() -> Option<i64>) {
        let is_ahead = match *self {
            Self::Unknown => false,
            Self::At(time) => time > after,
            Self::Never => true,
        };
        if !is_ahead {
            *self = next().map_or(Self::Never, Self::At);
        }
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
