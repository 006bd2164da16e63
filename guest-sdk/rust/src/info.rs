//! Facts about the run or the attempt that is executing.

use std::time::{Duration, SystemTime};

use crate::bindings::dacapo::workflow::{activity_context, run_context};
use crate::failure::Failure;
use crate::time::instant;

/// What was fixed when the run started. The same on every replay.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkflowInfo {
    /// The namespace of the run.
    pub namespace: String,
    /// The workflow id that the starter chose.
    pub workflow_id: String,
    /// The id of this run.
    pub run_id: String,
    /// The type name of the workflow.
    pub workflow_type: String,
    /// SHA-256 of the module this run is pinned to, in lower-case hex.
    pub module_digest: String,
    /// When the run started.
    pub started_at: SystemTime,
    /// Counts the runs since one failed, from 1: more than 1 if this run tries
    /// again what another failed to do.
    pub attempt: u32,
    /// The first of the runs that followed each other up to this one.
    pub first_run_id: String,
    /// The run before this one, which continued as this one or failed and is tried
    /// again.
    pub continued_from_run_id: Option<String>,
    /// How long this run may take from its first activation, if that is limited.
    pub run_timeout: Option<Duration>,
    /// How long the runs that follow each other may take together, if that is
    /// limited.
    pub execution_timeout: Option<Duration>,
    /// When that time is over.
    pub execution_deadline: Option<SystemTime>,
}

/// Describes this run. Workflows only: an activity that calls it traps.
pub fn workflow_info() -> WorkflowInfo {
    let info = run_context::info();
    WorkflowInfo {
        namespace: info.namespace,
        workflow_id: info.workflow_id,
        run_id: info.run_id,
        workflow_type: info.workflow_type,
        module_digest: info.module_digest,
        started_at: instant(info.started_at),
        attempt: info.attempt,
        first_run_id: info.first_run_id,
        continued_from_run_id: info.continued_from_run_id,
        run_timeout: info.run_timeout.map(Duration::from_nanos),
        execution_timeout: info.execution_timeout.map(Duration::from_nanos),
        execution_deadline: info.execution_deadline.map(instant),
    }
}

/// What the attempt before failed with, if this run is another attempt of a run
/// that failed. Workflows only.
pub fn continued_failure() -> Option<Failure> {
    run_context::continued_failure().map(Failure::from_wit)
}

/// How many events the history of this run had when the workflow last heard of
/// something. Workflows only.
pub fn history_length() -> u64 {
    run_context::history_length()
}

/// About how many bytes of history this run has made up to here. Workflows only.
pub fn history_bytes() -> u64 {
    run_context::history_bytes()
}

/// True once the history has become so long that the run should
/// [continue as new](crate::continue_as_new): from 4,096 events or 4 MiB on, unless
/// the server is set otherwise. Workflows only.
pub fn continue_as_new_suggested() -> bool {
    run_context::continue_as_new_suggested()
}

/// One attempt of one activity.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActivityInfo {
    /// The namespace of the run.
    pub namespace: String,
    /// The workflow id of the run.
    pub workflow_id: String,
    /// The run that asked for the activity.
    pub run_id: String,
    /// The type name of the activity.
    pub activity_type: String,
    /// The operation in the run that asked for it; the same in each attempt.
    pub operation: u32,
    /// Counted from 1.
    pub attempt: u32,
    /// When this attempt will be stopped.
    pub deadline: SystemTime,
}

impl ActivityInfo {
    /// Names this activity of this run, the same in each attempt: what a
    /// service needs to do its work once although it is asked twice.
    pub fn idempotency_key(&self) -> String {
        format!("{}-{}", self.run_id, self.operation)
    }
}

/// Describes this attempt. Activities only: a workflow that calls it traps.
pub fn activity_info() -> ActivityInfo {
    let info = activity_context::info();
    ActivityInfo {
        namespace: info.namespace,
        workflow_id: info.workflow_id,
        run_id: info.run_id,
        activity_type: info.activity_type,
        operation: info.operation,
        attempt: info.attempt,
        deadline: instant(info.deadline),
    }
}
