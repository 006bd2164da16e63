//! Retry policies and the pure rule for when the next attempt is due.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureKind};
use crate::limits::{
    ID_BYTES_MAX, NON_RETRYABLE_TYPES_MAX, RETRIES_AT_WILL, RETRY_WAIT_MIN, TIMER_MAX,
};
use crate::time::duration_micros;

/// When and how often a failed activity is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Wait before the second attempt.
    #[serde(rename = "initial_interval_micros", with = "duration_micros")]
    pub initial_interval: Duration,
    /// Factor from one wait to the next; at least 1.
    pub backoff_coefficient: f64,
    /// No wait is longer than this.
    #[serde(rename = "maximum_interval_micros", with = "duration_micros")]
    pub maximum_interval: Duration,
    /// Attempts in total; 0 means no limit.
    pub maximum_attempts: u32,
    /// Failure types that end the activity at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub non_retryable_types: Vec<String>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let initial_interval = Duration::from_secs(1);
        Self {
            initial_interval,
            backoff_coefficient: 2.0,
            maximum_interval: Self::maximum_interval_of(initial_interval),
            maximum_attempts: 0,
            non_retryable_types: Vec::new(),
        }
    }
}

/// Why no further attempt is made, or that one is. Names follow Temporal's retry states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryState {
    /// The failure says that trying again can't help.
    NonRetryableFailure,
    /// All attempts the policy allows were made.
    MaximumAttemptsReached,
    /// The next attempt would start after the schedule-to-close timeout of an
    /// activity, or after the execution timeout of a run.
    Timeout,
    /// The workflow asked the activity to cancel.
    CancelRequested,
    /// Another run makes the next attempt. Of runs only: attempts of activities
    /// are not history.
    InProgress,
}

impl RetryPolicy {
    /// The longest wait unless something else is asked for, after a first one of so long.
    pub fn maximum_interval_of(initial_interval: Duration) -> Duration {
        initial_interval.saturating_mul(100).min(TIMER_MAX)
    }

    /// Says what breaks a rule, if something does: what may be asked for is
    /// recorded, and sums of times must stay in range.
    pub fn check(&self) -> Result<(), String> {
        if !self.backoff_coefficient.is_finite() || self.backoff_coefficient < 1.0 {
            return Err("backoff coefficient must be a number of at least 1".to_owned());
        }
        for (name, interval) in [
            ("initial interval", self.initial_interval),
            ("maximum interval", self.maximum_interval),
        ] {
            if interval.is_zero() || interval > TIMER_MAX {
                let max = TIMER_MAX.as_secs();
                return Err(format!("{name} must be more than 0 and at most {max} seconds"));
            }
        }
        if self.non_retryable_types.len() > NON_RETRYABLE_TYPES_MAX {
            return Err(format!(
                "non-retryable types are {}; at most {NON_RETRYABLE_TYPES_MAX} are allowed",
                self.non_retryable_types.len()
            ));
        }
        if self.non_retryable_types.iter().any(|name| name.len() > ID_BYTES_MAX) {
            return Err(format!("non-retryable types may have {ID_BYTES_MAX} bytes each"));
        }
        Ok(())
    }

    /// The wait after `attempt` (from 1) failed with `failure`, or why there is
    /// none. `remaining` is what is left of the schedule-to-close timeout.
    pub fn next_delay(
        &self,
        attempt: u32,
        failure: &Failure,
        remaining: Option<Duration>,
    ) -> Result<Duration, RetryState> {
        let ended = matches!(failure.info.kind, FailureKind::Cancelled | FailureKind::Terminated);
        if failure.info.non_retryable
            || ended
            || self.non_retryable_types.contains(&failure.info.type_name)
        {
            return Err(RetryState::NonRetryableFailure);
        }
        if self.maximum_attempts != 0 && attempt >= self.maximum_attempts {
            return Err(RetryState::MaximumAttemptsReached);
        }
        let delay = failure.info.next_retry_delay.unwrap_or_else(|| self.backoff(attempt));
        let delay = match attempt {
            ..=RETRIES_AT_WILL => delay,
            _ => delay.max(RETRY_WAIT_MIN),
        };
        if remaining.is_some_and(|remaining| delay >= remaining) {
            return Err(RetryState::Timeout);
        }
        Ok(delay)
    }

    fn backoff(&self, attempt: u32) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.initial_interval.as_secs_f64() * self.backoff_coefficient.powi(exponent);
        // Overflow to infinity is a wait of the maximum, not an error.
        Duration::try_from_secs_f64(seconds)
            .unwrap_or(self.maximum_interval)
            .min(self.maximum_interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Failure {
        Failure::new(FailureKind::Application, "Declined", "no")
    }

    #[test]
    fn waits_grow_by_the_coefficient_up_to_the_maximum() {
        let policy =
            RetryPolicy { maximum_interval: Duration::from_secs(5), ..RetryPolicy::default() };
        let waits: Vec<_> = (1..=5)
            .map(|attempt| policy.next_delay(attempt, &failure(), None).expect("retries").as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        assert_eq!(policy.next_delay(u32::MAX, &failure(), None), Ok(Duration::from_secs(5)));
    }

    #[test]
    fn attempts_types_and_the_failure_itself_end_retries() {
        let policy = RetryPolicy {
            maximum_attempts: 2,
            non_retryable_types: vec!["Declined".to_owned()],
            ..RetryPolicy::default()
        };
        let other = Failure::new(FailureKind::Application, "Other", "x");
        assert_eq!(policy.next_delay(1, &failure(), None), Err(RetryState::NonRetryableFailure));
        assert_eq!(
            policy.next_delay(1, &other.clone().non_retryable(), None),
            Err(RetryState::NonRetryableFailure)
        );
        assert!(policy.next_delay(1, &other, None).is_ok());
        for kind in [FailureKind::Cancelled, FailureKind::Terminated] {
            let ended = Failure::new(kind, "Other", "x");
            assert_eq!(policy.next_delay(1, &ended, None), Err(RetryState::NonRetryableFailure));
        }
        assert_eq!(policy.next_delay(2, &other, None), Err(RetryState::MaximumAttemptsReached));
    }

    /// Else one activity that can't succeed would keep the database busy.
    #[test]
    fn many_retries_do_not_follow_each_other_as_fast_as_they_like() {
        let micro = Duration::from_micros(1);
        let policy = RetryPolicy {
            initial_interval: micro,
            backoff_coefficient: 1.0,
            maximum_interval: micro,
            ..RetryPolicy::default()
        };
        let mut at_once = failure();
        at_once.info.next_retry_delay = Some(Duration::ZERO);
        for (failure, wait) in [(failure(), micro), (at_once, Duration::ZERO)] {
            let next = |attempt| policy.next_delay(attempt, &failure, None);
            assert_eq!(next(1), Ok(wait));
            assert_eq!(next(RETRIES_AT_WILL), Ok(wait));
            assert_eq!(next(RETRIES_AT_WILL + 1), Ok(RETRY_WAIT_MIN));
            assert_eq!(next(u32::MAX), Ok(RETRY_WAIT_MIN));
        }
        let slow = RetryPolicy::default().next_delay(RETRIES_AT_WILL + 1, &failure(), None);
        assert_eq!(slow, Ok(Duration::from_secs(100)), "what is longer stays as it is");
    }

    #[test]
    fn no_attempt_is_planned_past_schedule_to_close() {
        let policy = RetryPolicy::default();
        let left = Some(Duration::from_millis(900));
        assert_eq!(policy.next_delay(1, &failure(), left), Err(RetryState::Timeout));
    }

    #[test]
    fn the_failure_may_choose_the_wait() {
        let mut failure = failure();
        failure.info.next_retry_delay = Some(Duration::from_millis(7));
        assert_eq!(
            RetryPolicy::default().next_delay(3, &failure, None),
            Ok(Duration::from_millis(7))
        );
    }
}
