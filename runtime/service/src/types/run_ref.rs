//! How requests name a run.

use dacapo_model::ids::{RunId, WorkflowId};

/// Names a run of a namespace: the latest of a workflow id (the open one, if there is
/// one), or a certain one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRef {
    /// The caller's name for it.
    pub workflow_id: WorkflowId,
    /// A certain run; none means the latest.
    pub run_id: Option<RunId>,
}
