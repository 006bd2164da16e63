//! What happens again and again while something is broken is said now and then.

use std::time::Duration;

use parking_lot::{Mutex, const_mutex};
use tokio::time::Instant;

use crate::health::now;

/// Between two lines about the same.
const INTERVAL: Duration = Duration::from_secs(10);

/// Lets so many lines through in each interval, and counts the others.
#[derive(Debug)]
pub struct LogLimit {
    lines_max: u32,
    interval: Mutex<Interval>,
}

#[derive(Debug)]
struct Interval {
    begun: Option<Instant>,
    lines: u32,
    withheld: u64,
}

impl Default for LogLimit {
    fn default() -> Self {
        Self::new()
    }
}

impl LogLimit {
    /// One line.
    pub const fn new() -> Self {
        Self::of(1)
    }

    /// So many lines.
    pub const fn of(lines_max: u32) -> Self {
        Self { lines_max, interval: const_mutex(Interval { begun: None, lines: 0, withheld: 0 }) }
    }

    /// How many lines were withheld since the last one, if one may be written now.
    pub fn allows(&self) -> Option<u64> {
        self.allows_at(now())
    }

    fn allows_at(&self, now: Instant) -> Option<u64> {
        let mut interval = self.interval.lock();
        if interval.begun.is_none_or(|begun| now.duration_since(begun) >= INTERVAL) {
            (interval.begun, interval.lines) = (Some(now), 0);
        }
        if interval.lines >= self.lines_max {
            interval.withheld += 1;
            return None;
        }
        interval.lines += 1;
        Some(std::mem::take(&mut interval.withheld))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_an_interval_and_the_number_of_the_others() {
        let (limit, begun) = (LogLimit::new(), now());
        let at = |millis| limit.allows_at(begun + Duration::from_millis(millis));
        assert_eq!([at(0), at(1), at(9_999)], [Some(0), None, None]);
        assert_eq!([at(10_000), at(19_999)], [Some(2), None]);
        assert_eq!([at(20_000), at(40_000)], [Some(1), Some(0)]);
    }

    #[test]
    fn several_lines_in_an_interval() {
        let (limit, begun) = (LogLimit::of(2), now());
        let at = |millis| limit.allows_at(begun + Duration::from_millis(millis));
        assert_eq!([at(0), at(9_000), at(9_999)], [Some(0), Some(0), None]);
        assert_eq!([at(10_000), at(10_001), at(10_002)], [Some(1), Some(0), None]);
    }
}
