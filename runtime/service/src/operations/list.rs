//! Lists runs.

use dacapo_model::execution::Execution;
use dacapo_model::limits::PAGE_SIZE_MAX;
use dacapo_store::execution::{ExecutionCursor, ExecutionFilter};

use crate::error::Result;
use crate::tenancy::Tenant;

/// One page of a list, in the order of its filter.
#[derive(Debug, Clone, PartialEq)]
pub struct RunList {
    /// The runs.
    pub executions: Vec<Execution>,
    /// Where the next page begins; none on the last page.
    pub next: Option<ExecutionCursor>,
}

impl Tenant {
    /// Runs of a namespace. The rows are written with the transitions they show,
    /// so the list is never stale.
    pub async fn list_runs(
        &self,
        filter: &ExecutionFilter,
        after: Option<ExecutionCursor>,
        limit: u32,
    ) -> Result<RunList> {
        let limit = limit.clamp(1, PAGE_SIZE_MAX);
        // One more than asked for, to know whether there is a next page.
        let store = &self.shared.store;
        let mut listed =
            store.list_executions(&self.namespace, filter, after.as_ref(), limit + 1).await?;
        let more = listed.len() > limit as usize;
        listed.truncate(limit as usize);
        let next = listed.last().filter(|_| more).and_then(|last| filter.cursor(last));
        let executions = listed.into_iter().map(|listed| listed.execution).collect();
        Ok(RunList { executions, next })
    }
}
