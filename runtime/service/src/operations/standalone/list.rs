//! Lists activities without a workflow.

use dacapo_filter::{Filter, Order};
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::{ActivityId, TypeName};
use dacapo_model::time::Timestamp;
use dacapo_store::execution::{ExecutionCursor, ExecutionFilter};

use super::{WORKFLOW, activity_id, workflow_id};
use crate::error::Result;
use crate::tenancy::Tenant;
use crate::types::StandaloneSummary;

/// Which activities to list. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StandaloneFilter {
    /// Any of these; empty means any.
    pub statuses: Vec<ExecutionStatus>,
    /// Exactly this type.
    pub activity_type: Option<TypeName>,
    /// Exactly this id.
    pub activity_id: Option<ActivityId>,
    /// Started at this time or later.
    pub started_from: Option<Timestamp>,
    /// Started before this time.
    pub started_before: Option<Timestamp>,
    /// What a caller has written about their runs.
    pub filter: Option<Filter>,
    /// Without one, the newest start first; of one id, its last run first.
    pub order: Option<Order>,
}

/// One page of a list, in the order of its filter.
#[derive(Debug, Clone, PartialEq)]
pub struct StandaloneList {
    /// The activities.
    pub activities: Vec<StandaloneSummary>,
    /// Where the next page begins; none on the last page.
    pub next: Option<ExecutionCursor>,
}

impl Tenant {
    /// Activities of a namespace that no workflow asked for. Never stale, as lists of runs.
    pub async fn list_activities(
        &self,
        filter: StandaloneFilter,
        after: Option<ExecutionCursor>,
        limit: u32,
    ) -> Result<StandaloneList> {
        let filter = ExecutionFilter {
            statuses: filter.statuses,
            workflow_type: filter.activity_type,
            workflow_id: filter.activity_id.as_ref().map(workflow_id).transpose()?,
            builtin: Some(WORKFLOW),
            started_from: filter.started_from,
            started_before: filter.started_before,
            filter: filter.filter,
            order: filter.order,
        };
        let page = self.list_runs(&filter, after, limit).await?;
        let summaries = page.executions.into_iter().map(StandaloneSummary::of);
        Ok(StandaloneList { activities: summaries.collect::<Result<_>>()?, next: page.next })
    }
}

impl StandaloneSummary {
    /// Of the run.
    pub(super) fn of(execution: Execution) -> Result<Self> {
        Ok(Self { activity_id: activity_id(&execution.workflow_id)?, execution })
    }
}
