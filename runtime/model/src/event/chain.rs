//! How a run is to run, and where it stands among the runs that follow each
//! other under one workflow id.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Taken;
use crate::attributes::{AttributeChanges, RunAttributes};
use crate::failure::{Failure, FailureKind};
use crate::ids::{EventId, RunId};
use crate::limits::{CONTINUE_AS_NEW_BYTES, CONTINUE_AS_NEW_EVENTS};
use crate::retry::{RetryPolicy, RetryState};
use crate::time::{Timestamp, duration_micros, optional_duration_micros};
use crate::trace::TraceContext;

/// What a start may ask for; absent where it did not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunOptions {
    /// How long this run may take, from its first activation.
    #[serde(
        default,
        rename = "run_timeout_micros",
        with = "optional_duration_micros",
        skip_serializing_if = "Option::is_none"
    )]
    pub run_timeout: Option<Duration>,
    /// How long the whole chain may take, from the first activation of its first
    /// run.
    #[serde(
        default,
        rename = "execution_timeout_micros",
        with = "optional_duration_micros",
        skip_serializing_if = "Option::is_none"
    )]
    pub execution_timeout: Option<Duration>,
    /// The guest does not run before then. `WorkflowExecutionDelayEnded` says when
    /// it first did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delayed_until: Option<Timestamp>,
    /// Whether another run follows if this one fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// What is said about the run.
    #[serde(default, skip_serializing_if = "RunAttributes::is_empty")]
    pub attributes: RunAttributes,
    /// When continuing as new is suggested, where that is not the default.
    /// Recorded, since the guest sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_as_new_after: Option<HistorySize>,
    /// The trace that the run and those that follow it belong to, if whoever asked for it
    /// has one: the span that they are children of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Box<TraceContext>>,
}

impl RunOptions {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How long a history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistorySize {
    /// In events.
    pub events: u64,
    /// In bytes, as [`EventAttributes::bytes`](super::EventAttributes::bytes)
    /// counts them.
    pub bytes: u64,
}

impl HistorySize {
    /// From where continuing as new is suggested. Never changed: histories that
    /// say nothing else depend on it.
    pub const SUGGESTED: Self =
        Self { events: CONTINUE_AS_NEW_EVENTS, bytes: CONTINUE_AS_NEW_BYTES };
}

/// A run's place among those that follow each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// The first of them; absent in the first itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_run_id: Option<RunId>,
    /// Counts the runs since one failed, from 1.
    #[serde(default = "first_attempt", skip_serializing_if = "is_first_attempt")]
    pub attempt: u32,
    /// When the execution timeout of the chain elapses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_deadline: Option<Timestamp>,
    /// What the attempt before failed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_failure: Option<Failure>,
    /// Of a run that was reset: the run whose history it began with, as whom it
    /// passes until `WorkflowExecutionReset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_run_id: Option<RunId>,
    /// What the runs before this one have taken.
    #[serde(default, skip_serializing_if = "Taken::is_empty")]
    pub taken: Taken,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            first_run_id: None,
            attempt: first_attempt(),
            execution_deadline: None,
            continued_failure: None,
            original_run_id: None,
            taken: Taken::default(),
        }
    }
}

impl Chain {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn first_attempt() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_first_attempt(attempt: &u32) -> bool {
    *attempt == 1
}

/// What a run that continues as new asks for besides type and input.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContinuationOptions {
    /// The run timeout of the new run; absent means the same.
    #[serde(
        default,
        rename = "run_timeout_micros",
        with = "optional_duration_micros",
        skip_serializing_if = "Option::is_none"
    )]
    pub run_timeout: Option<Duration>,
    /// How long the new run waits before its guest runs.
    #[serde(
        default,
        rename = "backoff_start_interval_micros",
        with = "duration_micros",
        skip_serializing_if = "Duration::is_zero"
    )]
    pub backoff: Duration,
    /// What the new run is said to be, different from this one.
    #[serde(default, skip_serializing_if = "AttributeChanges::is_empty")]
    pub attributes: AttributeChanges,
}

impl ContinuationOptions {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a history recorded these.
    pub fn is_same(&self, recorded: &Self) -> bool {
        self.run_timeout == recorded.run_timeout
            && self.backoff == recorded.backoff
            && self.attributes.is_same(&recorded.attributes)
    }
}

/// Which timeout of a run elapsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunTimeoutType {
    /// That of the one run.
    Run,
    /// That of the whole chain.
    Execution,
}

impl RunTimeoutType {
    /// The failure type that stands for it, as retry policies match it.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Run => "RunTimeout",
            Self::Execution => "ExecutionTimeout",
        }
    }

    /// The failure that stands for it.
    pub fn failure(self) -> Failure {
        let message = match self {
            Self::Run => "the run took longer than its run timeout",
            Self::Execution => "the runs took longer together than their execution timeout",
        };
        Failure::new(FailureKind::Timeout, self.type_name(), message)
    }
}

/// A run's time was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowExecutionTimedOut {
    /// Which time.
    pub timeout_type: RunTimeoutType,
    /// Whether another run follows, or why not; absent without a retry policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_state: Option<RetryState>,
    /// The run that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_run_id: Option<RunId>,
}

impl WorkflowExecutionTimedOut {
    /// The failure that it is to those who wait for the run.
    pub fn failure(&self) -> Failure {
        self.timeout_type.failure()
    }
}

/// A run began with the history of another. What stands before this event is a
/// copy; what the guest did in the last activation of it may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowExecutionReset {
    /// The run that was copied from.
    pub base_run_id: RunId,
    /// The first event that was not copied.
    pub base_event_id: EventId,
    /// The run itself, as whom it passes from here on.
    pub run_id: RunId,
    /// Why, for people.
    pub reason: String,
}
