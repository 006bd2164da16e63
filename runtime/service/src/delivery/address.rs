//! How a run is addressed.

use dacapo_model::ids::{NamespaceName, RunKey, WorkflowHash};

use crate::types::RunRef;

/// Names a run that somebody has something to say to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Address<'a> {
    /// As requests name it: the latest run of a workflow id, or a certain one.
    Named(&'a NamespaceName, &'a RunRef),
    /// As histories name it.
    Key(RunKey),
}

impl Address<'_> {
    /// Says who owns the run.
    pub(crate) fn hash(&self) -> WorkflowHash {
        match self {
            Self::Named(namespace, run) => WorkflowHash::of(namespace, &run.workflow_id),
            Self::Key(key) => key.hash,
        }
    }

    /// Whether a run that follows the one that was found is meant as well.
    pub(super) fn is_latest(&self) -> bool {
        matches!(self, Self::Named(_, run) if run.run_id.is_none())
    }
}
