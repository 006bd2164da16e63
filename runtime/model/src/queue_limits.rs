//! How much of a task queue is handed out at a time, and how fast.

use serde::{Deserialize, Serialize};

use crate::limits::{QUEUE_CONCURRENCY_MAX, RATE_BURST_MAX, RATE_MAX, RATE_MIN};

/// The limits of a queue, over all of its workers. What is not there is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QueueLimits {
    /// Tasks in hand at a time.
    pub concurrency: Option<Concurrency>,
    /// The same for each fairness key. Tasks without a key don't count.
    pub concurrency_per_key: Option<Concurrency>,
    /// How fast tasks are handed out.
    pub rate: Option<Rate>,
    /// The same for each fairness key. Tasks without a key don't count.
    pub rate_per_key: Option<Rate>,
}

impl QueueLimits {
    /// Whether there is any.
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// Whether a key has limits of its own.
    pub fn is_any_per_key(&self) -> bool {
        self.concurrency_per_key.is_some() || self.rate_per_key.is_some()
    }
}

/// Tasks in hand at a time: 1 to [`QUEUE_CONCURRENCY_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Concurrency(u64);

impl Concurrency {
    /// Checks a number.
    pub fn new(tasks: u64) -> Result<Self, InvalidLimit> {
        match (1..=QUEUE_CONCURRENCY_MAX).contains(&tasks) {
            true => Ok(Self(tasks)),
            false => Err(InvalidLimit::Concurrency(tasks)),
        }
    }

    /// The number.
    pub fn tasks(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Concurrency {
    type Error = InvalidLimit;

    fn try_from(tasks: u64) -> Result<Self, InvalidLimit> {
        Self::new(tasks)
    }
}

impl From<Concurrency> for u64 {
    fn from(concurrency: Concurrency) -> Self {
        concurrency.0
    }
}

/// So many per second, and so many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RateForm", into = "RateForm")]
pub struct Rate {
    per_second: f64,
    burst: u64,
}

/// How a rate is written.
#[derive(Serialize, Deserialize)]
struct RateForm {
    per_second: f64,
    burst: Option<u64>,
}

impl TryFrom<RateForm> for Rate {
    type Error = InvalidLimit;

    fn try_from(form: RateForm) -> Result<Self, InvalidLimit> {
        Self::new(form.per_second, form.burst)
    }
}

impl From<Rate> for RateForm {
    fn from(rate: Rate) -> Self {
        Self { per_second: rate.per_second, burst: Some(rate.burst) }
    }
}

impl Rate {
    /// Checks numbers. A burst that is not given is what a second brings, and 1 at least.
    pub fn new(per_second: f64, burst: Option<u64>) -> Result<Self, InvalidLimit> {
        // Rules out what is not a number, too.
        if !(RATE_MIN..=RATE_MAX).contains(&per_second) {
            return Err(InvalidLimit::Rate(per_second));
        }
        let burst = burst.unwrap_or_else(|| (per_second.ceil() as u64).max(1));
        match (1..=RATE_BURST_MAX).contains(&burst) {
            true => Ok(Self { per_second, burst }),
            false => Err(InvalidLimit::Burst(burst)),
        }
    }

    /// Tasks per second.
    pub fn per_second(self) -> f64 {
        self.per_second
    }

    /// Tasks at once, after a pause.
    pub fn burst(self) -> u64 {
        self.burst
    }

    /// What one task takes of it.
    pub fn interval_micros(self) -> f64 {
        1_000_000.0 / self.per_second
    }
}

/// Why something is no limit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidLimit {
    /// Not a number of tasks at a time.
    #[error(
        "{0} tasks at a time are no limit; it goes from 1 to {QUEUE_CONCURRENCY_MAX}, and a queue \
         that is to hand out nothing is drained"
    )]
    Concurrency(u64),
    /// Not a rate.
    #[error(
        "{0} tasks per second are no rate; it goes from {RATE_MIN} to {RATE_MAX}, and a queue that \
         is to hand out nothing is drained"
    )]
    Rate(f64),
    /// Not a burst.
    #[error("{0} tasks are no burst; it goes from 1 to {RATE_BURST_MAX}")]
    Burst(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused() {
        for tasks in [0, QUEUE_CONCURRENCY_MAX + 1, u64::MAX] {
            assert_eq!(Concurrency::new(tasks), Err(InvalidLimit::Concurrency(tasks)));
        }
        assert_eq!(Concurrency::new(QUEUE_CONCURRENCY_MAX).map(Concurrency::tasks), Ok(1_000_000));
        for rate in [0.0, -1.0, RATE_MIN / 2.0, RATE_MAX * 2.0, f64::NAN, f64::INFINITY] {
            assert!(Rate::new(rate, None).is_err(), "{rate}");
        }
        for burst in [0, RATE_BURST_MAX + 1] {
            assert_eq!(Rate::new(1.0, Some(burst)), Err(InvalidLimit::Burst(burst)));
        }
    }

    #[test]
    fn a_burst_is_what_a_second_brings_unless_it_is_given() {
        let burst = |per_second, burst| Rate::new(per_second, burst).map(Rate::burst);
        assert_eq!(burst(100.0, None), Ok(100));
        assert_eq!(burst(1.5, None), Ok(2));
        assert_eq!(burst(RATE_MIN, None), Ok(1));
        assert_eq!(burst(RATE_MAX, None), Ok(100_000));
        assert_eq!(burst(100.0, Some(1)), Ok(1));
    }
}
