//! Summaries of runs (`workflow_executions`). Written only by commits; lists
//! read the same rows, so they are never stale.

use std::time::Duration;

use async_trait::async_trait;
use dacapo_filter::{Filter, Order, OrderBy};
use dacapo_model::builtin::{BUILTIN_IDS, BuiltinWorkflow};
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::{NamespaceName, RequestId, RunId, RunKey, TypeName, WorkflowId};
use dacapo_model::time::Timestamp;

use crate::count::{CountBy, ExecutionCount};
use crate::error::Result;
use crate::shard::HashRange;

/// How long a list or a count may wait for its turn and look for runs, together. What it reads
/// depends on what a caller has written, and nobody may hold the database with that.
pub const SEARCH_TIME_MAX: Duration = Duration::from_secs(5);

/// Such lists and counts at a time; further ones wait.
pub const SEARCHES_AT_ONCE: u32 = 4;

/// Which runs to list, and in which order. All conditions must hold.
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
    /// What a caller has written.
    pub filter: Option<Filter>,
    /// Without one, the newest start first; of one workflow id, its last run first.
    pub order: Option<Order>,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListOrder {
    /// From the last run of a workflow id to its first, whatever the clock said when they
    /// started.
    LastCommitted,
    /// By a field, and by run id where it is equal.
    By(Order),
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

    /// Whether it has no conditions or order but those that there is an index for.
    pub fn is_plain(&self) -> bool {
        self.filter.is_none() && self.order.is_none()
    }

    /// The order of the list.
    pub fn list_order(&self) -> ListOrder {
        match (self.order, &self.workflow_id) {
            (Some(order), _) => ListOrder::By(order),
            (None, Some(_)) => ListOrder::LastCommitted,
            (None, None) => ListOrder::By(Order { by: OrderBy::StartTime, is_descending: true }),
        }
    }

    /// Whether the list runs from the greatest to the least.
    pub fn is_descending(&self) -> bool {
        match self.list_order() {
            ListOrder::LastCommitted => true,
            ListOrder::By(order) => order.is_descending,
        }
    }

    /// Where a page ended that this was the last run of. None if the run can't be in the list.
    pub fn cursor(&self, last: &ListedExecution) -> Option<ExecutionCursor> {
        let ListedExecution { execution, run_number } = last;
        let place = match self.list_order() {
            ListOrder::LastCommitted => {
                ListPlace::Numbered { run_number: *run_number, started_at: execution.started_at }
            }
            ListOrder::By(Order { by: OrderBy::StartTime, .. }) => {
                ListPlace::Started(execution.started_at)
            }
            ListOrder::By(Order { by: OrderBy::CloseTime, .. }) => {
                ListPlace::Closed(execution.closed_at?)
            }
            ListOrder::By(Order { by: OrderBy::WorkflowId, .. }) => {
                ListPlace::Named(execution.workflow_id.clone())
            }
        };
        Some(ExecutionCursor { place, run_id: execution.key.run_id })
    }
}

/// Where a page of a list ended: a place in the order of that list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExecutionCursor {
    /// What the list is ordered by, of the last run on the page.
    pub place: ListPlace,
    /// That run.
    pub run_id: RunId,
}

/// What a list is ordered by, of one run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListPlace {
    /// Its number among the runs of its workflow id. Where runs were not counted, the time
    /// of their start tells them apart.
    Numbered {
        /// Its number.
        run_number: u64,
        /// When it started.
        started_at: Timestamp,
    },
    /// When it started.
    Started(Timestamp),
    /// When it closed.
    Closed(Timestamp),
    /// Its workflow id.
    Named(WorkflowId),
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

    /// At most `limit` runs of the namespace after `after`, which is a cursor of the same
    /// filter. One that takes longer than [`SEARCH_TIME_MAX`] is
    /// [`TooSlow`](crate::error::StoreError::TooSlow), or, where others took that time,
    /// [`SearchesBusy`](crate::error::StoreError::SearchesBusy).
    async fn list_executions(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        after: Option<&ExecutionCursor>,
        limit: u32,
    ) -> Result<Vec<ListedExecution>>;

    /// How many runs of the namespace the filter has; with `by` for each group, the largest
    /// first, and no more than [`GROUPS_MAX`](crate::count::GROUPS_MAX) groups. Without runs
    /// there are no groups. In time as a list.
    async fn count_executions(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        by: Option<CountBy>,
    ) -> Result<Vec<ExecutionCount>>;

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
