//! Workflows that are a part of the runtime. Their runs are runs like all others; only
//! their code is not uploaded, and their ids are apart from those that callers choose.

use crate::ids::{InvalidId, WorkflowId};

/// What the workflow ids of built-in workflows begin with. No other run has such an id.
pub const BUILTIN_IDS: &str = "dacapo:";

/// What the names of signals begin with that the runtime sends to built-in workflows. No
/// client may send them such a one.
pub const BUILTIN_SIGNALS: &str = "dacapo.";

/// The module that built-in workflows are versions of. Nobody can upload it.
pub const BUILTIN_MODULE: &str = "dacapo";

/// A workflow that is a part of the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BuiltinWorkflow {
    /// One activity that no workflow asked for.
    Activity,
    /// The same operation on every run that a filter matches.
    Batch,
    /// Starts runs at certain times.
    Schedule,
}

impl BuiltinWorkflow {
    /// What the workflow ids of its runs begin with. What follows is the caller's name.
    pub const fn id_prefix(self) -> &'static str {
        match self {
            Self::Activity => "dacapo:activity:",
            Self::Batch => "dacapo:batch:",
            Self::Schedule => "dacapo:schedule:",
        }
    }

    /// The workflow id of what a caller calls by this name.
    pub fn workflow_id(self, name: &str) -> Result<WorkflowId, InvalidId> {
        WorkflowId::new(format!("{}{name}", self.id_prefix()))
    }

    /// The caller's name for the run with this workflow id, if it is one of this workflow.
    pub fn name_in(self, workflow_id: &WorkflowId) -> Option<&str> {
        workflow_id.as_str().strip_prefix(self.id_prefix())
    }
}

impl WorkflowId {
    /// Whether only built-in workflows have such an id.
    pub fn is_builtin(&self) -> bool {
        self.as_str().starts_with(BUILTIN_IDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_into_a_workflow_id_and_comes_out_again() {
        let activity = BuiltinWorkflow::Activity;
        let workflow_id = activity.workflow_id("order-17").expect("a name");
        assert_eq!(workflow_id.as_str(), "dacapo:activity:order-17");
        assert_eq!(activity.name_in(&workflow_id), Some("order-17"));
        assert!(workflow_id.is_builtin());
        let other = WorkflowId::new("order-17").expect("an id");
        assert_eq!((activity.name_in(&other), other.is_builtin()), (None, false));
    }
}
