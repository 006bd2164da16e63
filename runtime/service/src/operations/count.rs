//! Counts runs.

use dacapo_model::ids::ModuleName;
use dacapo_model::module::ModuleDigest;
use dacapo_store::count::{CountBy, CountGroup, ExecutionCount, GROUPS_MAX};
use dacapo_store::execution::ExecutionFilter;

use crate::error::Result;
use crate::tenancy::Tenant;

/// How many runs there are.
#[derive(Debug, Clone, PartialEq)]
pub struct RunCount {
    /// All that the filter has.
    pub runs: u64,
    /// The same by group, the largest first; none if no groups were asked for.
    pub groups: Option<Vec<RunGroup>>,
    /// Whether there are groups beside these, since there are too many.
    pub is_cut: bool,
}

/// Runs with something in common.
#[derive(Debug, Clone, PartialEq)]
pub struct RunGroup {
    /// What they have in common.
    pub group: CountGroup,
    /// The names and versions of their module, if they are grouped by it.
    pub modules: Vec<(ModuleName, u32)>,
    /// How many there are.
    pub runs: u64,
}

impl Tenant {
    /// Counts the runs of a namespace. What was acknowledged before is counted.
    pub async fn count_runs(
        &self,
        filter: &ExecutionFilter,
        by: Option<CountBy>,
    ) -> Result<RunCount> {
        let store = &self.shared.store;
        let counts = store.count_executions(&self.namespace, filter, by).await?;
        let shown = total(&counts);
        if by.is_none() {
            return Ok(RunCount { runs: shown, groups: None, is_cut: false });
        }
        let is_cut = counts.len() >= GROUPS_MAX as usize;
        let runs = match is_cut {
            true => total(&store.count_executions(&self.namespace, filter, None).await?),
            false => shown,
        };
        let group = |count: ExecutionCount| {
            let group = count.group?;
            let modules = match &group {
                CountGroup::Module(digest) => self.names_of(*digest),
                _ => Vec::new(),
            };
            Some(RunGroup { group, modules, runs: count.runs })
        };
        let groups = Some(counts.into_iter().filter_map(group).collect());
        Ok(RunCount { runs, groups, is_cut: is_cut && runs > shown })
    }

    /// None of a module that is not kept any more.
    fn names_of(&self, digest: ModuleDigest) -> Vec<(ModuleName, u32)> {
        let versions = self.shared.catalog.all_by_digest(&self.namespace, digest);
        versions.into_iter().map(|version| (version.name, version.version)).collect()
    }
}

fn total(counts: &[ExecutionCount]) -> u64 {
    counts.iter().map(|count| count.runs).sum()
}
