//! Operations on all runs that a filter matches.

use dacapo_engine::decide::{Reapply, ResetPoint};
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::{BatchId, ModuleName, RequestId, RunId, SignalName, WorkflowId};
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::tag::TagChanges;
use dacapo_model::text::cut;
use dacapo_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::ServiceError;

/// What to do with each run. Recorded, so names of variants and fields stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BatchOperation {
    /// Send it a signal.
    Signal {
        /// What it is about.
        name: SignalName,
        /// What it says.
        input: Payload,
    },
    /// Ask it to cancel.
    Cancel,
    /// Terminate it.
    Terminate,
    /// Start it over.
    Reset {
        /// From where.
        point: BatchResetPoint,
        /// What of the undone part is sent to the new run again.
        reapply: BatchReapply,
        /// Code that the new run goes on with; none means that of the kept part.
        module: Option<BatchTarget>,
    },
    /// Move it to other code.
    Move {
        /// Which code.
        target: BatchTarget,
    },
    /// Let it try again, if it is blocked.
    Retry,
    /// Delete it, if it is closed.
    Delete,
    /// Change its tags.
    Tag {
        /// Those that it gets and loses.
        changes: TagChanges,
    },
}

/// Where each history is cut: event ids mean something else in each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchResetPoint {
    /// After the start.
    First,
    /// After what the guest answered last.
    LastActivation,
}

/// What of the undone part is sent to the new run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchReapply {
    /// Signals and updates.
    All,
    /// Signals.
    Signals,
    /// Nothing.
    None,
}

/// Which code a run is moved to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchTarget {
    /// This code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<ModuleDigest>,
    /// A version of this module; without it, of the run's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<ModuleName>,
    /// This version; the newest without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

impl From<BatchResetPoint> for ResetPoint {
    fn from(point: BatchResetPoint) -> Self {
        match point {
            BatchResetPoint::First => Self::First,
            BatchResetPoint::LastActivation => Self::LastActivation,
        }
    }
}

impl From<BatchReapply> for Reapply {
    fn from(reapply: BatchReapply) -> Self {
        match reapply {
            BatchReapply::All => Self::All,
            BatchReapply::Signals => Self::Signals,
            BatchReapply::None => Self::Nothing,
        }
    }
}

impl BatchOperation {
    /// As shown; also the workflow type of the batch's run.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Signal { .. } => "signal",
            Self::Cancel => "cancel",
            Self::Terminate => "terminate",
            Self::Reset { .. } => "reset",
            Self::Move { .. } => "move",
            Self::Retry => "retry",
            Self::Delete => "delete",
            Self::Tag { .. } => "tag",
        }
    }
}

/// A batch to start.
#[derive(Debug, Clone, PartialEq)]
pub struct StartBatchRequest {
    /// The caller's name for it; one is made up if there is none.
    pub batch_id: Option<BatchId>,
    /// By which a repeat of this request is recognised.
    pub request_id: Option<RequestId>,
    /// What to do.
    pub operation: BatchOperation,
    /// With which runs.
    pub filter: String,
    /// Why, for people; runs are told.
    pub reason: String,
    /// At most so many runs a second.
    pub runs_per_second: f64,
}

/// The batch that a start led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedBatch {
    /// The caller's name for it.
    pub batch_id: BatchId,
    /// Its run.
    pub run_id: RunId,
    /// False if it was there already.
    pub started: bool,
}

/// What a batch does. Recorded as the input of its run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchSpec {
    /// What to do.
    pub operation: BatchOperation,
    /// With which runs.
    pub filter: String,
    /// Why, for people.
    pub reason: String,
    /// At most so many runs a second.
    pub runs_per_second: f64,
}

/// How far a batch has come. Published by its run, and recorded in its result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchProgress {
    /// Runs that matched when it began, if they could be counted in time.
    pub matched: Option<u64>,
    /// Runs with which it was done.
    pub done: u64,
    /// Runs with which there was nothing to do: closed since, not blocked, gone.
    pub skipped: u64,
    /// Runs that refused.
    pub failed: u64,
    /// The first of those that refused, at most [`FAILURES_MAX`](Self::FAILURES_MAX).
    pub failures: Vec<BatchFailure>,
    /// Nothing is done until somebody resumes it.
    pub paused: bool,
}

impl BatchProgress {
    /// How many failures are kept.
    pub const FAILURES_MAX: usize = 50;

    /// With how many runs it is over.
    pub fn count(&self) -> u64 {
        self.done + self.skipped + self.failed
    }

    /// Adds what was done since.
    pub(crate) fn add(&mut self, other: Self) {
        self.matched = self.matched.or(other.matched);
        self.done += other.done;
        self.skipped += other.skipped;
        self.failed += other.failed;
        let room = Self::FAILURES_MAX.saturating_sub(self.failures.len());
        self.failures.extend(other.failures.into_iter().take(room));
    }
}

/// A run that refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchFailure {
    /// Its workflow id.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// The stable code.
    pub code: String,
    /// Why.
    pub message: String,
}

impl BatchFailure {
    /// Bytes of a reason: many of them are one event.
    const MESSAGE_BYTES_MAX: usize = 300;

    pub(crate) fn new(execution: &Execution, error: &ServiceError) -> Self {
        let mut message = error.message.clone();
        cut(&mut message, Self::MESSAGE_BYTES_MAX);
        Self {
            workflow_id: execution.workflow_id.clone(),
            run_id: execution.key.run_id,
            code: error.code.as_str().to_owned(),
            message,
        }
    }
}

/// One batch of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSummary {
    /// The caller's name for it.
    pub batch_id: BatchId,
    /// Its run.
    pub run_id: RunId,
    /// What it does.
    pub operation: String,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it ended.
    pub closed_at: Option<Timestamp>,
}

/// Everything that is known of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchDescription {
    /// What a list says of it.
    pub summary: BatchSummary,
    /// What it does; none if that can't be read.
    pub spec: Option<BatchSpec>,
    /// How far it has come.
    pub progress: BatchProgress,
    /// Why the last attempt at a part of it failed, which is tried again.
    pub last_failure: Option<String>,
    /// Why it failed.
    pub failure: Option<String>,
}
