//! Lists schedules.

use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::TypeName;
use dacapo_store::execution::{ExecutionCursor, ExecutionFilter};
use serde_json::Value;

use super::{WORKFLOW, schedule_id};
use crate::builtin::schedule::{NOTE, PAUSED};
use crate::error::Result;
use crate::tenancy::Tenant;
use crate::types::ScheduleSummary;

/// Which schedules to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScheduleFilter {
    /// What they start.
    pub workflow_type: Option<TypeName>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleList {
    /// The schedules.
    pub schedules: Vec<ScheduleSummary>,
    /// Where the next page begins; none on the last page.
    pub next: Option<ExecutionCursor>,
}

impl Tenant {
    /// Schedules of a namespace that were not deleted. Never stale, as lists of runs.
    pub async fn list_schedules(
        &self,
        filter: ScheduleFilter,
        after: Option<ExecutionCursor>,
        limit: u32,
    ) -> Result<ScheduleList> {
        let filter = ExecutionFilter {
            statuses: vec![ExecutionStatus::Running, ExecutionStatus::Blocked],
            workflow_type: filter.workflow_type,
            builtin: Some(WORKFLOW),
            ..ExecutionFilter::default()
        };
        let page = self.list_runs(&filter, after, limit).await?;
        let schedules = page.executions.into_iter().map(summary);
        Ok(ScheduleList { schedules: schedules.collect::<Result<_>>()?, next: page.next })
    }
}

fn summary(execution: Execution) -> Result<ScheduleSummary> {
    let memo = |name| execution.attributes.memo.get(name).and_then(|it| it.to_value());
    Ok(ScheduleSummary {
        schedule_id: schedule_id(&execution.workflow_id)?,
        paused: memo(PAUSED) == Some(Value::Bool(true)),
        note: memo(NOTE).and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default(),
        blocked: execution.status == ExecutionStatus::Blocked,
        workflow_type: execution.workflow_type,
    })
}
