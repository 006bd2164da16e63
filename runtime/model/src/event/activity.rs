//! How activities are asked for, and end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::retry::RetryPolicy;
use crate::time::{duration_micros, optional_duration_micros, whole_micros};

/// How an activity was asked to be run; every default is filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityOptions {
    /// Limit for one attempt.
    #[serde(rename = "start_to_close_timeout_micros", with = "duration_micros")]
    pub start_to_close_timeout: Duration,
    /// Limit over all attempts and waits.
    #[serde(
        default,
        rename = "schedule_to_close_timeout_micros",
        with = "optional_duration_micros",
        skip_serializing_if = "Option::is_none"
    )]
    pub schedule_to_close_timeout: Option<Duration>,
    /// Whether and when to try again.
    pub retry: RetryPolicy,
}

impl ActivityOptions {
    /// What an event means that names no options: those of an activity that was
    /// asked for without any. They are recorded with most activities, and left
    /// out there. Never changed, since histories depend on it.
    pub fn unnamed() -> Self {
        Self {
            start_to_close_timeout: Duration::from_secs(60),
            schedule_to_close_timeout: None,
            retry: RetryPolicy {
                initial_interval: Duration::from_secs(1),
                backoff_coefficient: 2.0,
                maximum_interval: Duration::from_secs(100),
                maximum_attempts: 0,
                non_retryable_types: Vec::new(),
            },
        }
    }

    pub(super) fn are_unnamed(&self) -> bool {
        *self == Self::unnamed()
    }

    /// The same options as a history keeps them: durations in whole microseconds.
    #[must_use]
    pub fn whole_micros(mut self) -> Self {
        self.start_to_close_timeout = whole_micros(self.start_to_close_timeout);
        self.schedule_to_close_timeout = self.schedule_to_close_timeout.map(whole_micros);
        self.retry.initial_interval = whole_micros(self.retry.initial_interval);
        self.retry.maximum_interval = whole_micros(self.retry.maximum_interval);
        self
    }
}

/// Which timeout of an activity elapsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeoutType {
    /// One attempt took too long, and no further one was allowed.
    StartToClose,
    /// All attempts together took too long.
    ScheduleToClose,
}

impl TimeoutType {
    /// The failure type that stands for it, as retry policies match it.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::StartToClose => "StartToClose",
            Self::ScheduleToClose => "ScheduleToClose",
        }
    }
}
