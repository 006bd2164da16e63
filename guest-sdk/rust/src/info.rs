//! Facts about the run or the attempt that is executing.

use std::time::SystemTime;

use crate::bindings::dacapo::workflow::{activity_context, run_context};
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
    }
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
