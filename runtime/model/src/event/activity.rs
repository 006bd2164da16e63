//! How activities are asked for, and end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ModuleRef;
use crate::ids::{EventId, OperationId};
use crate::limits::START_TO_CLOSE_DEFAULT;
use crate::retry::RetryPolicy;
use crate::task::TaskRoute;
use crate::time::{Timestamp, duration_micros, optional_duration_micros, whole_micros};

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
    /// Limit for the time until an attempt begins.
    #[serde(
        default,
        rename = "schedule_to_start_timeout_micros",
        with = "optional_duration_micros",
        skip_serializing_if = "Option::is_none"
    )]
    pub schedule_to_start_timeout: Option<Duration>,
    /// Longest silence between two heartbeats of an attempt.
    #[serde(
        default,
        rename = "heartbeat_timeout_micros",
        with = "optional_duration_micros",
        skip_serializing_if = "Option::is_none"
    )]
    pub heartbeat_timeout: Option<Duration>,
    /// Whether and when to try again.
    pub retry: RetryPolicy,
    /// Where its attempts wait for a worker; without it, a module runs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_queue: Option<TaskRoute>,
    /// Which module defines it; none means the run's own. Boxed: few name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<Box<ModuleRef>>,
}

/// What is asked of an activity; absent where nothing is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AskedActivityOptions {
    /// Limit for one attempt.
    pub start_to_close_timeout: Option<Duration>,
    /// Limit over all attempts and waits.
    pub schedule_to_close_timeout: Option<Duration>,
    /// Limit for the time until an attempt begins.
    pub schedule_to_start_timeout: Option<Duration>,
    /// Longest silence between two heartbeats of an attempt.
    pub heartbeat_timeout: Option<Duration>,
    /// Whether and when to try again.
    pub retry: Option<RetryPolicy>,
    /// Where its attempts wait for a worker.
    pub task_queue: Option<TaskRoute>,
    /// The module whose activity it is, if not that of the workflow.
    pub module: Option<Box<ModuleRef>>,
}

impl From<AskedActivityOptions> for ActivityOptions {
    /// Fills in every default: one that changes later must not change what a history
    /// means.
    fn from(asked: AskedActivityOptions) -> Self {
        let schedule_to_close = asked.schedule_to_close_timeout;
        let all_attempts = schedule_to_close.unwrap_or(Duration::MAX);
        let start_to_close =
            asked.start_to_close_timeout.unwrap_or(START_TO_CLOSE_DEFAULT).min(all_attempts);
        Self {
            start_to_close_timeout: start_to_close,
            schedule_to_close_timeout: schedule_to_close,
            // A limit that another makes shorter is that long, and one that it makes
            // needless is still shown.
            schedule_to_start_timeout: asked
                .schedule_to_start_timeout
                .map(|limit| limit.min(all_attempts)),
            heartbeat_timeout: asked.heartbeat_timeout.map(|limit| limit.min(start_to_close)),
            retry: asked.retry.unwrap_or_default(),
            task_queue: asked.task_queue,
            module: asked.module,
        }
    }
}

impl ActivityOptions {
    /// What an event means that names no options: those of an activity that was
    /// asked for without any. They are recorded with most activities, and left
    /// out there. Never changed, since histories depend on it.
    pub fn unnamed() -> Self {
        Self {
            start_to_close_timeout: Duration::from_secs(60),
            schedule_to_close_timeout: None,
            schedule_to_start_timeout: None,
            heartbeat_timeout: None,
            retry: RetryPolicy {
                initial_interval: Duration::from_secs(1),
                backoff_coefficient: 2.0,
                maximum_interval: Duration::from_secs(100),
                maximum_attempts: 0,
                non_retryable_types: Vec::new(),
            },
            task_queue: None,
            module: None,
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
        self.schedule_to_start_timeout = self.schedule_to_start_timeout.map(whole_micros);
        self.heartbeat_timeout = self.heartbeat_timeout.map(whole_micros);
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
    /// An attempt did not begin in time.
    ScheduleToStart,
    /// The last attempt was silent for too long.
    Heartbeat,
}

impl TimeoutType {
    /// The failure type that stands for it, as retry policies match it.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::StartToClose => "StartToClose",
            Self::ScheduleToClose => "ScheduleToClose",
            Self::ScheduleToStart => "ScheduleToStart",
            Self::Heartbeat => "Heartbeat",
        }
    }

    /// Whether another attempt may do better.
    pub fn is_retried(self) -> bool {
        matches!(self, Self::StartToClose | Self::Heartbeat)
    }
}

/// An attempt that is to be completed from outside: it is open until somebody
/// says how it ended, and is not begun again after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAttempt {
    /// Among all attempts, also those before a reset.
    pub number: u32,
    /// When it began: its start-to-close timeout counts from there.
    pub started_at: Timestamp,
    /// A digest of the secret in its token. Who can read the history can't make
    /// the token of it.
    pub token_digest: String,
}

/// Command: the guest asks an activity to cancel, and goes on waiting for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityTaskCancelRequested {
    /// Its `ActivityTaskScheduled`.
    pub scheduled_event_id: EventId,
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// After so long it is stopped.
    #[serde(rename = "grace_micros", with = "duration_micros")]
    pub grace: Duration,
}

/// No further attempt begins until the activity is unpaused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityTaskPaused {
    /// Its `ActivityTaskScheduled`.
    pub scheduled_event_id: EventId,
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Attempts begin again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityTaskUnpaused {
    /// Its `ActivityTaskScheduled`.
    pub scheduled_event_id: EventId,
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// The activity starts over with attempt 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityTaskReset {
    /// Its `ActivityTaskScheduled`.
    pub scheduled_event_id: EventId,
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// Attempts made so far, which count no more.
    pub attempts_before: u32,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}
