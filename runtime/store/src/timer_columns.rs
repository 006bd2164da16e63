//! For backends: what is to happen as columns of `workflow_timers`, the same in
//! every database.

use dacapo_model::failure::Failure;
use dacapo_model::payload::Payload;
use dacapo_model::timer::TimerKind;
use serde_json::Value;

use crate::error::Result;
use crate::record::{RowName, to_json};

const TIMER: &str = "timer";
const START_DELAY: &str = "start_delay";
const RUN_TIMEOUT: &str = "run_timeout";
const ACTIVITY_RETRY: &str = "activity_retry";
const ACTIVITY_HEARTBEAT: &str = "activity_heartbeat";
const ACTIVITY_TIMEOUT: &str = "activity_timeout";

/// The columns that depend on the kind, to write.
#[derive(Debug)]
pub struct TimerColumns<'a> {
    /// The kind's name.
    pub kind: &'static str,
    /// Of an activity.
    pub attempt: Option<u32>,
    /// Of an activity.
    pub last_failure: Option<Value>,
    /// Of an activity: what its last heartbeat said.
    pub details: Option<&'a [u8]>,
}

/// The same columns as they were read.
#[derive(Debug)]
pub struct StoredKind {
    /// The kind's name.
    pub kind: String,
    /// Of an activity.
    pub attempt: Option<i64>,
    /// Of an activity.
    pub last_failure: Option<Value>,
    /// Of an activity.
    pub details: Option<Vec<u8>>,
}

impl<'a> TimerColumns<'a> {
    /// What to write.
    pub fn of(kind: &'a TimerKind) -> Self {
        match kind {
            TimerKind::Timer => Self::plain(TIMER),
            TimerKind::StartDelay => Self::plain(START_DELAY),
            TimerKind::RunTimeout => Self::plain(RUN_TIMEOUT),
            TimerKind::ActivityRetry { attempt, last_failure, details } => {
                Self::activity(ACTIVITY_RETRY, *attempt, Some(last_failure), details.as_ref())
            }
            TimerKind::ActivityHeartbeat { attempt, last_failure, details } => {
                Self::activity(ACTIVITY_HEARTBEAT, *attempt, last_failure.as_ref(), Some(details))
            }
            TimerKind::ActivityTimeout { attempt, last_failure, details } => {
                Self::activity(ACTIVITY_TIMEOUT, *attempt, last_failure.as_ref(), details.as_ref())
            }
        }
    }

    fn plain(kind: &'static str) -> Self {
        Self { kind, attempt: None, last_failure: None, details: None }
    }

    fn activity(
        kind: &'static str,
        attempt: u32,
        last_failure: Option<&Failure>,
        details: Option<&'a Payload>,
    ) -> Self {
        Self {
            kind,
            attempt: Some(attempt),
            last_failure: last_failure.map(to_json),
            details: details.map(Payload::as_bytes),
        }
    }
}

impl StoredKind {
    /// What was written.
    pub fn read(self, row: &RowName<'_>) -> Result<TimerKind> {
        let attempt = self.attempt.map(|attempt| row.unsigned("attempt", attempt)).transpose()?;
        let last_failure =
            self.last_failure.map(|failure| row.json("last_failure", failure)).transpose()?;
        let details = self.details.map(Payload::from);
        Ok(match (self.kind.as_str(), attempt, last_failure, details) {
            (TIMER, None, None, None) => TimerKind::Timer,
            (START_DELAY, None, None, None) => TimerKind::StartDelay,
            (RUN_TIMEOUT, None, None, None) => TimerKind::RunTimeout,
            (ACTIVITY_RETRY, Some(attempt), Some(last_failure), details) => {
                TimerKind::ActivityRetry { attempt, last_failure, details }
            }
            (ACTIVITY_HEARTBEAT, Some(attempt), last_failure, Some(details)) => {
                TimerKind::ActivityHeartbeat { attempt, last_failure, details }
            }
            (ACTIVITY_TIMEOUT, Some(attempt), last_failure, details) => {
                TimerKind::ActivityTimeout { attempt, last_failure, details }
            }
            (kind, ..) => return Err(row.corrupt("kind", format!("{kind:?} does not fit"))),
        })
    }
}
