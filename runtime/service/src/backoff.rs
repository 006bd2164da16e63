//! How long to wait before something is tried again: each time longer, up to a bound.

use std::time::Duration;

/// The pauses between the tries of one thing.
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    pauses: u32,
}

impl Backoff {
    /// From the first pause to the longest.
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, pauses: 0 }
    }

    /// The next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = nth_pause(self.first, self.longest, self.pauses);
        self.pauses = self.pauses.saturating_add(1);
        pause
    }

    /// Waits for as long.
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.pause()).await;
    }
}

/// The n-th pause, from 0: twice as long as the one before.
pub(crate) fn nth_pause(first: Duration, longest: Duration, n: u32) -> Duration {
    first.saturating_mul(1_u32.checked_shl(n).unwrap_or(u32::MAX)).min(longest)
}

/// From half of a pause to all of it, of another length for another seed and another
/// `n`, so that those who began to wait together do not come back together. Takes the
/// last eight bytes of the seed, which of a UUID are random.
pub(crate) fn spread(pause: Duration, seed: u128, n: u32) -> Duration {
    let [byte, ..] = (seed >> (8 * (n % 8))).to_le_bytes();
    pause / 2 + (pause / 2).mul_f64(f64::from(byte) / f64::from(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        let pauses: Vec<u128> = (0..7).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(nth_pause(FIRST, LONGEST, u32::MAX), LONGEST);
    }

    #[test]
    fn pauses_are_spread_over_half_their_length() {
        for n in 0..40 {
            assert_eq!(spread(LONGEST, 0, n), LONGEST / 2);
            assert_eq!(spread(LONGEST, u128::MAX, n), LONGEST);
        }
        assert_ne!(spread(LONGEST, 0x01_80, 0), spread(LONGEST, 0x01_80, 1));
    }
}
