//! Durations, and what is told of many of them. All are kept: percentiles are
//! exact.

use std::time::Duration;

/// Milliseconds with three decimals.
pub(crate) fn millis(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1e3)
}

/// A number with three decimals.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// So many in so much time, per second.
pub(crate) fn per_second(count: u64, elapsed: Duration) -> f64 {
    rounded(count as f64 / elapsed.as_secs_f64())
}

/// Durations of one kind.
#[derive(Debug, Default)]
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    /// In any order.
    pub(crate) fn new(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest one that is not smaller than this share of all, in
    /// milliseconds; 0 if there are none.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let rank = (percent / 100.0 * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied().map_or(0.0, millis)
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.first().copied().map_or(0.0, millis)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.last().copied().map_or(0.0, millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let sample = Sample::new((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(sample.percentile(50.0), 100.0);
        assert_eq!(sample.percentile(99.0), 198.0);
        assert_eq!((sample.min(), sample.max()), (1.0, 200.0));
    }

    #[test]
    fn of_one_value_every_percentile_is_that_value_and_of_none_it_is_nothing() {
        let one = Sample::new(vec![Duration::from_millis(7)]);
        assert_eq!((one.percentile(1.0), one.percentile(99.0)), (7.0, 7.0));
        assert_eq!(Sample::default().percentile(50.0), 0.0);
    }
}
