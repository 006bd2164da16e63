//! Operations on all runs that a filter matches.

use dacapo_model::ids::{BatchId, RequestId, RunId, SignalName, WorkflowId};
use dacapo_model::time::Timestamp;
use dacapo_service::operations::{self, BatchOperation};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::object;
use super::payload;
use super::replay::MoveRequest;
use super::request::{NamedResetPoint, Reapply, TagRequest, present};
use super::run::RunStatus;
use crate::error::ApiError;

/// Runs per second, if nothing else is asked for.
const RUNS_PER_SECOND: f64 = 100.0;

/// What to do with each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BatchKind {
    /// Send the signal in `signal`.
    Signal,
    /// Ask to cancel.
    Cancel,
    /// Terminate.
    Terminate,
    /// Start over, as `reset` says.
    Reset,
    /// Move to the code in `module`.
    Move,
    /// Let those that are blocked try again.
    Retry,
    /// Delete those that are closed.
    Delete,
    /// Change tags, as `tags` says.
    Tag,
}

/// An operation to do with all runs that match.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartBatchRequest {
    /// What to do.
    operation: BatchKind,
    /// With which runs: a filter as lists of runs take it. Those that match when the batch comes to
    /// them, and were started before it.
    #[schema(example = "WorkflowType = 'order' AND ExecutionStatus = 'Running'")]
    filter: String,
    /// Your name for it; at most one batch of this name is open. One is made up if it is absent.
    #[serde(default)]
    #[schema(example = "cancel-may")]
    batch_id: Option<String>,
    /// Send the same one when you repeat the request. Needs a `batch_id`.
    #[serde(default)]
    request_id: Option<String>,
    /// For people. Cancelled, terminated and reset runs are told.
    #[serde(default)]
    reason: String,
    /// At most so many runs a second, from 0.1 to 10000; 100 if absent.
    #[serde(default)]
    #[schema(minimum = 0.1, maximum = 10000)]
    runs_per_second: Option<f64>,
    /// Say how many runs match now, and do nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// The signal to send. Only for `signal`.
    #[serde(default, deserialize_with = "object::optional")]
    signal: Option<BatchSignal>,
    /// How to start over; from the beginning if absent. Only for `reset`.
    #[serde(default, deserialize_with = "object::optional")]
    reset: Option<BatchReset>,
    /// The code to go on with: `{}` means the newest version of each run's own module. Only for
    /// `move`.
    #[serde(default, deserialize_with = "object::optional")]
    module: Option<MoveRequest>,
    /// The tags to add and to remove. Only for `tag`.
    #[serde(default, deserialize_with = "object::optional")]
    tags: Option<TagRequest>,
}

/// A signal for each run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchSignal {
    /// Its name.
    name: String,
    /// What it says: any JSON value, 256 KiB; `null` if absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = serde_json::Value, required = false)]
    input: Option<Box<RawValue>>,
    /// The same as base64, if it is not JSON. Not together with `input`.
    #[serde(default)]
    input_base64: Option<String>,
}

/// How each run starts over.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchReset {
    /// Where its history is cut.
    point: NamedResetPoint,
    /// What of the undone part is sent to the new run again; `all` if absent.
    #[serde(default)]
    reapply: Reapply,
    /// Go on with this code. That of the part that is kept if absent.
    #[serde(default, deserialize_with = "object::optional")]
    module: Option<MoveRequest>,
}

impl StartBatchRequest {
    pub(crate) fn into_operation(self) -> Result<operations::StartBatchRequest, ApiError> {
        let only = |name, given, kind| match given && self.operation != kind {
            true => Err(ApiError::invalid_argument(format!(
                "`{name}` means nothing to this operation: leave it out"
            ))),
            false => Ok(()),
        };
        only("signal", self.signal.is_some(), BatchKind::Signal)?;
        only("reset", self.reset.is_some(), BatchKind::Reset)?;
        only("module", self.module.is_some(), BatchKind::Move)?;
        only("tags", self.tags.is_some(), BatchKind::Tag)?;
        let operation = match self.operation {
            BatchKind::Signal => self.signal.ok_or_else(|| missing("signal"))?.into_operation()?,
            BatchKind::Cancel => BatchOperation::Cancel,
            BatchKind::Terminate => BatchOperation::Terminate,
            BatchKind::Reset => {
                let reset = self.reset.unwrap_or(BatchReset {
                    point: NamedResetPoint::First,
                    reapply: Reapply::All,
                    module: None,
                });
                reset.into_operation()?
            }
            BatchKind::Move => {
                let target = self.module.ok_or_else(|| missing("module"))?.into_target()?;
                BatchOperation::Move { target: target.into() }
            }
            BatchKind::Retry => BatchOperation::Retry,
            BatchKind::Delete => BatchOperation::Delete,
            BatchKind::Tag => {
                let changes = self.tags.ok_or_else(|| missing("tags"))?.into_changes()?;
                BatchOperation::Tag { changes }
            }
        };
        Ok(operations::StartBatchRequest {
            batch_id: self.batch_id.map(BatchId::addressable).transpose()?,
            request_id: self.request_id.map(RequestId::new).transpose()?,
            operation,
            filter: self.filter,
            reason: self.reason,
            runs_per_second: self.runs_per_second.unwrap_or(RUNS_PER_SECOND),
        })
    }
}

impl BatchSignal {
    fn into_operation(self) -> Result<BatchOperation, ApiError> {
        Ok(BatchOperation::Signal {
            name: SignalName::addressable(self.name)?,
            input: payload::extract("input", self.input, self.input_base64)?,
        })
    }
}

impl BatchReset {
    fn into_operation(self) -> Result<BatchOperation, ApiError> {
        let module = self.module.map(MoveRequest::into_target).transpose()?;
        Ok(BatchOperation::Reset {
            point: match self.point {
                NamedResetPoint::First => operations::BatchResetPoint::First,
                NamedResetPoint::LastActivation => operations::BatchResetPoint::LastActivation,
            },
            reapply: match self.reapply {
                Reapply::All => operations::BatchReapply::All,
                Reapply::Signals => operations::BatchReapply::Signals,
                Reapply::None => operations::BatchReapply::None,
            },
            module: module.map(Into::into),
        })
    }
}

fn missing(field: &str) -> ApiError {
    ApiError::invalid_argument(format!("`{field}` is missing: the operation needs it"))
}

/// A request to pause or resume.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ControlBatchRequest {
    /// Send the same one when you repeat the request.
    #[serde(default)]
    pub(crate) request_id: Option<String>,
}

/// The batch that a start led to, or what it would do.
#[derive(Serialize, ToSchema)]
pub(crate) struct StartBatchAnswer {
    /// Your name for it. Absent from a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    batch_id: Option<BatchId>,
    /// Its run. Absent from a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    run_id: Option<RunId>,
    /// False if it was there already, or nothing was to be started.
    pub(crate) started: bool,
    /// Of a dry run: how many runs match now.
    #[serde(skip_serializing_if = "Option::is_none")]
    matched: Option<u64>,
}

impl StartBatchAnswer {
    pub(crate) fn dry(matched: u64) -> Self {
        Self { batch_id: None, run_id: None, started: false, matched: Some(matched) }
    }
}

impl From<operations::StartedBatch> for StartBatchAnswer {
    fn from(it: operations::StartedBatch) -> Self {
        let (batch_id, run_id) = (Some(it.batch_id), Some(it.run_id));
        Self { batch_id, run_id, started: it.started, matched: None }
    }
}

/// A batch in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchSummary {
    /// Its name.
    #[schema(value_type = String)]
    batch_id: BatchId,
    /// Its run, whose history says what was done when.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// What it does.
    operation: String,
    /// Where it stands; `canceled` means that it was stopped.
    status: RunStatus,
    /// When it was started.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Timestamp>,
}

impl From<operations::BatchSummary> for BatchSummary {
    fn from(it: operations::BatchSummary) -> Self {
        Self {
            batch_id: it.batch_id,
            run_id: it.run_id,
            operation: it.operation,
            status: it.status.into(),
            started_at: it.started_at,
            closed_at: it.closed_at,
        }
    }
}

/// A page of batches.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchList {
    /// The batches, the newest first.
    pub(crate) batches: Vec<BatchSummary>,
    /// Where the next page begins; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_page_token: Option<String>,
}

/// A run that refused.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchFailure {
    /// Its workflow id.
    #[schema(value_type = String)]
    workflow_id: WorkflowId,
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// The stable code.
    code: String,
    /// Why.
    message: String,
}

/// Everything that is known of a batch.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchDescription {
    /// What lists say of it.
    #[serde(flatten)]
    summary: BatchSummary,
    /// With which runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// At most so many runs a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    runs_per_second: Option<f64>,
    /// Runs that matched when it was started; absent if counting took too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    matched: Option<u64>,
    /// Runs with which it was done.
    done: u64,
    /// Runs with which there was nothing to do: closed since, not blocked, gone.
    skipped: u64,
    /// Runs that refused.
    failed: u64,
    /// The first 50 of those that refused.
    failures: Vec<BatchFailure>,
    /// Nothing is begun until it is resumed.
    paused: bool,
    /// Why the last attempt to go on failed. It is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<String>,
    /// Why the batch failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl From<operations::BatchDescription> for BatchDescription {
    fn from(it: operations::BatchDescription) -> Self {
        let failure = |it: operations::BatchFailure| BatchFailure {
            workflow_id: it.workflow_id,
            run_id: it.run_id,
            code: it.code,
            message: it.message,
        };
        let spec = it.spec.as_ref();
        Self {
            summary: it.summary.into(),
            filter: spec.map(|spec| spec.filter.clone()),
            reason: spec.map(|spec| spec.reason.clone()).filter(|reason| !reason.is_empty()),
            runs_per_second: spec.map(|spec| spec.runs_per_second),
            matched: it.progress.matched,
            done: it.progress.done,
            skipped: it.progress.skipped,
            failed: it.progress.failed,
            failures: it.progress.failures.into_iter().map(failure).collect(),
            paused: it.progress.paused,
            last_failure: it.last_failure,
            failure: it.failure,
        }
    }
}
