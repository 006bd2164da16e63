//! Counts of runs.

use chrono::{DateTime, Utc};
use dacapo_service::operations::{self, CountBy, CountGroup};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// By what runs are counted.
#[derive(Clone, Copy, Deserialize, ToSchema)]
pub(crate) enum GroupBy {
    /// Where they stand.
    ExecutionStatus,
    /// What they run.
    WorkflowType,
    /// The content of the module that they are pinned to.
    ModuleName,
    /// The day of their start, in UTC.
    StartTime,
}

impl From<GroupBy> for CountBy {
    fn from(by: GroupBy) -> Self {
        match by {
            GroupBy::ExecutionStatus => Self::ExecutionStatus,
            GroupBy::WorkflowType => Self::WorkflowType,
            GroupBy::ModuleName => Self::ModuleDigest,
            GroupBy::StartTime => Self::StartDay,
        }
    }
}

/// How many runs there are.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunCount {
    /// All that the filter has.
    count: u64,
    /// By group, the largest first; absent if no groups were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<RunGroup>>,
    /// Whether there are groups beside these: a count has 1,000 at most.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_cut: bool,
}

/// Runs with something in common.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunGroup {
    /// What they have in common: a status, a workflow type, a module digest or a day.
    #[schema(example = "running")]
    value: String,
    /// The names and versions of the module, as `name@version`, if they are grouped by it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    modules: Vec<String>,
    /// How many there are.
    count: u64,
}

impl From<operations::RunCount> for RunCount {
    fn from(count: operations::RunCount) -> Self {
        let operations::RunCount { runs, groups, is_cut } = count;
        let groups = groups.map(|groups| groups.into_iter().map(RunGroup::from).collect());
        Self { count: runs, groups, is_cut }
    }
}

impl From<operations::RunGroup> for RunGroup {
    fn from(group: operations::RunGroup) -> Self {
        let modules = group.modules.iter().map(|(name, version)| format!("{name}@{version}"));
        Self { value: text_of(&group.group), modules: modules.collect(), count: group.runs }
    }
}

fn text_of(group: &CountGroup) -> String {
    match group {
        CountGroup::Status(status) => status.as_str().to_owned(),
        CountGroup::Type(name) => name.to_string(),
        CountGroup::Module(digest) => digest.to_string(),
        CountGroup::Day(day) => {
            let start = DateTime::<Utc>::from_timestamp(day.saturating_mul(86_400), 0);
            // No calendar reaches further.
            start.unwrap_or(DateTime::<Utc>::MAX_UTC).date_naive().to_string()
        }
    }
}
