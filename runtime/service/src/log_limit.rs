//! What happens again and again while something is broken is said now and then.

use std::time::Duration;

use parking_lot::{Mutex, const_mutex};
use tokio::time::Instant;

use crate::health::now;

/// Between two lines about the same.
const INTERVAL: Duration = Duration::from_secs(10);

/// Lets one line through in each interval, and counts the others.
pub(crate) struct LogLimit(Mutex<Limit>);

struct Limit {
    last: Option<Instant>,
    withheld: u64,
}

impl LogLimit {
    pub(crate) const fn new() -> Self {
        Self(const_mutex(Limit { last: None, withheld: 0 }))
    }

    /// How many lines were withheld since the last one, if one may be written now.
    pub(crate) fn allows(&self) -> Option<u64> {
        self.allows_at(now())
    }

    fn allows_at(&self, now: Instant) -> Option<u64> {
        let mut limit = self.0.lock();
        if limit.last.is_some_and(|last| now.duration_since(last) < INTERVAL) {
            limit.withheld += 1;
            return None;
        }
        limit.last = Some(now);
        Some(std::mem::take(&mut limit.withheld))
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
}
