//! When a schedule is due: a specification and a time go in, times come out.
//!
//! ```text
//!  ScheduleSpec ──▶ Schedule ──▶ next_after, between
//!   crons            patterns on civil time (pattern), mapped to instants
//!   calendars        of a time zone (zone, pattern_times)
//!   intervals        arithmetic on seconds (interval)
//!   exclusions       pass over what they match (exclusion)
//!   jitter           moves each by a part that follows from the schedule and the time
//! ```
//!
//! All times that a specification names are whole seconds. Work is bounded: what would
//! take too long to find is an error.

mod calendar;
mod cron_fault;
mod exclusion;
mod interval;
mod jitter;
mod pattern;
mod pattern_times;
mod schedule;
mod spec;
mod zone;

pub use self::calendar::{Calendar, ValueRange};
pub use self::interval::Interval;
pub use self::schedule::{Due, Schedule, Times, TooMuchWork};
pub use self::spec::{InvalidSpec, ScheduleSpec};
