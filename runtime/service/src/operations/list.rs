//! Lists runs.

use std::collections::HashMap;

use dacapo_model::event::ParentExecution;
use dacapo_model::execution::Execution;
use dacapo_model::ids::{RunId, RunKey};
use dacapo_model::limits::PAGE_SIZE_MAX;
use dacapo_store::execution::{ExecutionCursor, ExecutionFilter, ListedExecution};

use crate::error::Result;
use crate::salvage::{is_unreadable, or_nothing};
use crate::tenancy::Tenant;

/// One page of a list, the newest start first; of one workflow id, its last run first.
#[derive(Debug, Clone, PartialEq)]
pub struct RunList {
    /// The runs.
    pub executions: Vec<Execution>,
    /// The parents of those that are children.
    pub parents: HashMap<RunId, ParentExecution>,
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
        let mut listed =
            self.shared.store.list_executions(&self.namespace, filter, after, limit + 1).await?;
        let more = listed.len() > limit as usize;
        listed.truncate(limit as usize);
        let next = listed.last().filter(|_| more).map(ListedExecution::cursor);
        let executions: Vec<_> = listed.into_iter().map(|listed| listed.execution).collect();
        let keys: Vec<_> = executions.iter().map(|execution| execution.key).collect();
        let parents = self.parents(&keys).await?.into_iter().collect();
        Ok(RunList { executions, parents, next })
    }

    /// The parents of those that are children and can be read.
    async fn parents(&self, keys: &[RunKey]) -> Result<Vec<(RunId, ParentExecution)>> {
        let store = &self.shared.store;
        let found = store.find_parents(keys).await;
        if !matches!(&found, Err(error) if is_unreadable(error)) {
            return Ok(found?);
        }
        let mut parents = Vec::new();
        for key in keys {
            parents.extend(or_nothing(store.find_parents(&[*key]).await)?);
        }
        Ok(parents)
    }
}
