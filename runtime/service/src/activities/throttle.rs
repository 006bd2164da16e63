//! How often the details of heartbeats are stored.

use std::time::Duration;

use tokio::time::Instant;

/// Without a heartbeat timeout.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(30);

/// However long the heartbeat timeout is.
const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// The first is stored at once, the next not before the interval is over: a row
/// costs a commit, and heartbeats may be frequent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Throttle {
    interval: Duration,
    saved_at: Option<Instant>,
}

impl Throttle {
    pub(crate) fn of(heartbeat_timeout: Option<Duration>) -> Self {
        let interval = heartbeat_timeout
            .map_or(INTERVAL_DEFAULT, |timeout| timeout.mul_f64(0.8).min(INTERVAL_MAX));
        Self { interval, saved_at: None }
    }

    /// When the next may be stored; none if now.
    pub(crate) fn not_before(&self) -> Option<Instant> {
        self.saved_at.map(|saved_at| saved_at + self.interval)
    }

    pub(crate) fn saved(&mut self, now: Instant) {
        self.saved_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    #[test]
    fn the_interval_is_a_part_of_the_timeout_within_bounds() {
        for (timeout, interval) in [(None, 30_000), (Some(1), 800), (Some(3_600), 60_000)] {
            let mut throttle = Throttle::of(timeout.map(Duration::from_secs));
            assert_eq!(throttle.not_before(), None, "the first is stored at once");
            let now = SystemClock.instant();
            throttle.saved(now);
            let next = throttle.not_before().expect("it has to wait");
            assert_eq!(next - now, Duration::from_millis(interval));
        }
    }
}
