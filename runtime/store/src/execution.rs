//! Summaries of runs (`workflow_executions`). Written only by commits; lists
//! read the same rows, so they are never stale.

use async_trait::async_trait;
use dacapo_model::builtin::{BUILTIN_IDS, BuiltinWorkflow};
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::{NamespaceName, RequestId, RunId, RunKey, TypeName, WorkflowId};
use dacapo_model::time::Timestamp;

use crate::error::Result;
use crate::shard::HashRange;

/// Which runs to list. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecutionFilter {
    /// Any of these; empty means any.
    pub statuses: Vec<ExecutionStatus>,
    /// Exactly this type.
    pub workflow_type: Option<TypeName>,
    /// Exactly this workflow id.
    pub workflow_id: Option<WorkflowId>,
    /// Those of this built-in workflow; without it, those of none. Not looked at if there
    /// is a workflow id, which says whose it is.
    pub builtin: Option<BuiltinWorkflow>,
    /// Started at this time or later.
    pub started_from: Option<Timestamp>,
    /// Started before this time.
    pub started_before: Option<Timestamp>,
}

impl ExecutionFilter {
    /// What workflow ids must begin with, or with `false` must not.
    pub fn id_prefix(&self) -> (&'static str, bool) {
        match self.builtin {
            Some(workflow) => (workflow.id_prefix(), true),
            None => (BUILTIN_IDS, false),
        }
    }

    /// Whether runs of this workflow id may be in the list.
    pub fn takes_id(&self, workflow_id: &WorkflowId) -> bool {
        let (prefix, has_prefix) = self.id_prefix();
        match &self.workflow_id {
            Some(only) => only == workflow_id,
            None => workflow_id.as_str().starts_with(prefix) == has_prefix,
        }
    }
}

/// Where a page of a list ended. Lists run from the newest start to the oldest,
/// and by run id where starts are equal. Those of one workflow id run from its last
/// run to its first, whatever the clock said when they started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutionCursor {
    /// Start of the last run on the page.
    pub started_at: Timestamp,
    /// That run.
    pub run_id: RunId,
    /// Its number among those of its workflow id.
    pub run_number: u64,
}

/// A run of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedExecution {
    /// The run.
    pub execution: Execution,
    /// Counts the runs of a workflow id, in the order in which they were committed; 0 if
    /// it was not counted.
    pub run_number: u64,
}

impl ListedExecution {
    /// Where a page ended that this was the last run of.
    pub fn cursor(&self) -> ExecutionCursor {
        let Execution { key, started_at, .. } = &self.execution;
        ExecutionCursor { started_at: *started_at, run_id: key.run_id, run_number: self.run_number }
    }
}

/// Reading summaries.
#[async_trait]
pub trait ExecutionStore: Send + Sync {
    /// The run with this id, or without one the open run of the workflow id, or
    /// else the one whose start was committed last.
    async fn find_execution(
        &self,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<Option<Execution>>;

    /// The run of the workflow id that was started by this request.
    async fn find_execution_by_request(
        &self,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
        request_id: &RequestId,
    ) -> Result<Option<Execution>>;

    /// Those of several runs that exist, in no order.
    async fn find_runs(&self, keys: &[RunKey]) -> Result<Vec<Execution>>;

    /// At most `limit` runs of the namespace after `after`, the newest first.
    async fn list_executions(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        after: Option<ExecutionCursor>,
        limit: u32,
    ) -> Result<Vec<ListedExecution>>;

    /// At most `limit` open runs (of all namespaces) with a hash in `range` and a key after
    /// `after`, in the order of their keys. What a node reads to recover.
    async fn open_executions(
        &self,
        range: HashRange,
        after: Option<RunKey>,
        limit: u32,
    ) -> Result<Vec<Execution>>;

    /// The key of the first of those, and nothing else of it: to get past a run that
    /// can't be read.
    async fn next_open(&self, range: HashRange, after: Option<RunKey>) -> Result<Option<RunKey>>;
}
