//! How long to wait before a request is sent again.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Duration;

/// Longest wait that a server's `Retry-After` may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Doublings after which a wait grows no further, whatever its maximum.
const DOUBLINGS_MAX: u32 = 20;

/// Waits that double, with jitter, so that many workers do not come back at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    initial: Duration,
    maximum: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(initial: Duration, maximum: Duration) -> Self {
        Self { initial, maximum, failures: 0 }
    }

    /// The last request was answered.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure, never shorter than the server asks for.
    pub(crate) fn next(&mut self, retry_after: Option<Duration>) -> Duration {
        self.next_with(retry_after, jitter())
    }

    /// The same with a given `jitter`, from 0 to 1.
    fn next_with(&mut self, retry_after: Option<Duration>, jitter: f64) -> Duration {
        let doubled = self.initial.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX));
        self.failures = self.failures.saturating_add(1);
        let wait = doubled.min(self.maximum).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        retry_after.unwrap_or_default().min(RETRY_AFTER_MAX) + wait
    }
}

/// A random number from 0 to 1. The standard library draws the keys of its hashers.
fn jitter() -> f64 {
    let drawn = RandomState::new().hash_one(()) >> 32;
    drawn as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn waits_double_up_to_a_maximum() {
        let mut backoff = Backoff::new(100 * MS, 1_000 * MS);
        let waits: Vec<_> = (0..6).map(|_| backoff.next_with(None, 1.0)).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000].map(|wait| wait * MS));
        backoff.reset();
        assert_eq!(backoff.next_with(None, 0.0), 50 * MS, "half of it is jitter");
    }

    #[test]
    fn a_long_outage_overflows_nothing() {
        let mut backoff = Backoff::new(100 * MS, 5_000 * MS);
        backoff.failures = u32::MAX;
        assert_eq!(backoff.next_with(None, 1.0), 5_000 * MS);
    }

    #[test]
    fn what_the_server_asks_for_is_kept_to_within_reason() {
        let mut backoff = Backoff::new(100 * MS, 5_000 * MS);
        assert_eq!(backoff.next_with(Some(3_000 * MS), 1.0), 3_100 * MS);
        let asked = Duration::from_secs(1_000_000);
        assert_eq!(backoff.next_with(Some(asked), 1.0), RETRY_AFTER_MAX + 200 * MS);
    }

    #[test]
    fn jitter_is_a_part_of_one() {
        assert!((0..1_000).map(|_| jitter()).all(|drawn| (0.0..=1.0).contains(&drawn)));
    }
}
