//! How long a caller may wait for an answer, and does if it doesn't say.

use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::limits::WAIT_SECONDS_MAX;

use super::{UpdateWait, WaitFor};
use crate::error::{Result, ServiceError};

/// How long the sender of an update waits for it unless it says otherwise.
const SENDER_WAIT_DEFAULT: Duration = Duration::from_secs(30);

/// The wait that a caller asked for, in seconds.
pub fn wait_of(seconds: f64) -> Result<Duration> {
    // Rules out what is not a number, too.
    if (0.0..=WAIT_SECONDS_MAX as f64).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(ServiceError::new(
        ErrorCode::InvalidArgument,
        format!(
            "wait is a number of seconds from 0 to {WAIT_SECONDS_MAX}, not {seconds}; ask again \
             to wait longer"
        ),
    ))
}

/// The wait of a caller that looks at something: it is answered at once unless it
/// asked for more.
pub fn look_wait_of(seconds: Option<f64>) -> Result<Duration> {
    seconds.map_or(Ok(Duration::ZERO), wait_of)
}

impl UpdateWait {
    /// The wait of a caller that sends an update, by itself or with a start.
    pub fn of_sender(wait_for: Option<WaitFor>, wait: Option<Duration>) -> Self {
        Self { wait_for: wait_for.unwrap_or_default(), wait: wait.unwrap_or(SENDER_WAIT_DEFAULT) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_bounded_number_of_seconds() {
        assert_eq!(wait_of(0.0).ok(), Some(Duration::ZERO));
        assert_eq!(wait_of(0.25).ok(), Some(Duration::from_millis(250)));
        assert_eq!(wait_of(300.0).ok(), Some(Duration::from_secs(300)));
        for refused in [-1.0, 300.1, f64::NAN, f64::INFINITY, f64::MAX] {
            assert!(wait_of(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn who_sends_waits_for_the_outcome_and_who_looks_does_not_wait() {
        let wait = Duration::from_secs(30);
        let wait_for = WaitFor::Completed;
        assert_eq!(UpdateWait::of_sender(None, None), UpdateWait { wait_for, wait });
        assert_eq!(look_wait_of(None).ok(), Some(Duration::ZERO));
        assert_eq!(look_wait_of(Some(1.5)).ok(), Some(Duration::from_millis(1_500)));
        assert!(look_wait_of(Some(301.0)).is_err());
    }
}
