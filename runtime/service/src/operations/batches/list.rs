//! Lists batches.

use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_store::execution::{ExecutionCursor, ExecutionFilter};

use super::{WORKFLOW, batch_id};
use crate::error::Result;
use crate::tenancy::Tenant;
use crate::types::BatchSummary;

/// Which batches to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchFilter {
    /// Any of these; empty means any.
    pub statuses: Vec<ExecutionStatus>,
}

/// One page of a list, the newest start first.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchList {
    /// The batches.
    pub batches: Vec<BatchSummary>,
    /// Where the next page begins; none on the last page.
    pub next: Option<ExecutionCursor>,
}

impl Tenant {
    /// Batches of a namespace.
    pub async fn list_batches(
        &self,
        filter: &BatchFilter,
        after: Option<ExecutionCursor>,
        limit: u32,
    ) -> Result<BatchList> {
        let filter = ExecutionFilter {
            statuses: filter.statuses.clone(),
            builtin: Some(WORKFLOW),
            ..ExecutionFilter::default()
        };
        let page = self.list_runs(&filter, after, limit).await?;
        let batches = page.executions.iter().map(BatchSummary::of);
        Ok(BatchList { batches: batches.collect::<Result<_>>()?, next: page.next })
    }
}

impl BatchSummary {
    /// Of the run.
    pub(super) fn of(execution: &Execution) -> Result<Self> {
        Ok(Self {
            batch_id: batch_id(&execution.workflow_id)?,
            run_id: execution.key.run_id,
            operation: execution.workflow_type.to_string(),
            status: execution.status,
            started_at: execution.started_at,
            closed_at: execution.closed_at,
        })
    }
}
