//! How requests name a run.

use dacapo_model::ids::{NamespaceName, RunId, WorkflowId};

/// Names a run: the latest of a workflow id (the open one, if there is one), or
/// a certain one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRef {
    /// Where it lives.
    pub namespace: NamespaceName,
    /// The caller's name for it.
    pub workflow_id: WorkflowId,
    /// A certain run; none means the latest.
    pub run_id: Option<RunId>,
}
