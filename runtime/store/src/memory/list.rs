//! Lists and counts, by looking at every run.

use std::cmp::Reverse;
use std::collections::HashMap;

use dacapo_filter::RunFacts;
use dacapo_model::execution::Execution;
use dacapo_model::ids::NamespaceName;

use super::{State, at_most};
use crate::count::{CountBy, CountGroup, ExecutionCount, GROUPS_MAX};
use crate::execution::{ExecutionCursor, ExecutionFilter, ListedExecution};

const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;

impl State {
    pub(super) fn list(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        after: Option<&ExecutionCursor>,
        limit: u32,
    ) -> Vec<ListedExecution> {
        let is_next = |cursor: &ExecutionCursor| {
            after.is_none_or(|after| match filter.is_descending() {
                true => cursor < after,
                false => cursor > after,
            })
        };
        let mut runs: Vec<_> = self
            .matching(namespace, filter)
            .map(|run| ListedExecution { execution: run.clone(), run_number: self.run_number(run) })
            .filter_map(|listed| Some((filter.cursor(&listed)?, listed)))
            .filter(|(cursor, _)| is_next(cursor))
            .collect();
        runs.sort_by(|(a, _), (b, _)| a.cmp(b));
        if filter.is_descending() {
            runs.reverse();
        }
        runs.into_iter().take(at_most(limit)).map(|(_, listed)| listed).collect()
    }

    pub(super) fn count(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        by: Option<CountBy>,
    ) -> Vec<ExecutionCount> {
        let runs = self.matching(namespace, filter);
        let Some(by) = by else {
            return vec![ExecutionCount { group: None, runs: runs.count() as u64 }];
        };
        let mut counts = HashMap::<_, (CountGroup, u64)>::new();
        for run in runs {
            let group = group_of(run, by);
            counts.entry(key_of(&group)).or_insert((group, 0)).1 += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts
            .sort_by(|(a, (_, more)), (b, (_, less))| (Reverse(more), a).cmp(&(Reverse(less), b)));
        counts.truncate(at_most(GROUPS_MAX));
        let counted = |(_, (group, runs))| ExecutionCount { group: Some(group), runs };
        counts.into_iter().map(counted).collect()
    }

    fn matching<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        filter: &'a ExecutionFilter,
    ) -> impl Iterator<Item = &'a Execution> {
        self.executions.values().filter(move |run| {
            run.namespace == *namespace
                && (filter.statuses.is_empty() || filter.statuses.contains(&run.status))
                && filter.workflow_type.as_ref().is_none_or(|it| run.workflow_type == *it)
                && filter.takes_id(&run.workflow_id)
                && filter.started_from.is_none_or(|from| run.started_at >= from)
                && filter.started_before.is_none_or(|before| run.started_at < before)
                && filter.filter.as_ref().is_none_or(|it| it.matches(&self.facts(run)))
        })
    }

    fn facts<'a>(&'a self, run: &'a Execution) -> RunFacts<'a> {
        let is_its = |module: &&dacapo_model::module::ModuleVersion| {
            module.namespace == run.namespace && module.digest == run.module_digest
        };
        let modules = self.modules.iter().filter(is_its);
        RunFacts {
            execution: run,
            modules: modules.map(|module| (module.name.as_str(), module.version)).collect(),
        }
    }
}

fn group_of(run: &Execution, by: CountBy) -> CountGroup {
    match by {
        CountBy::ExecutionStatus => CountGroup::Status(run.status),
        CountBy::WorkflowType => CountGroup::Type(run.workflow_type.clone()),
        CountBy::ModuleDigest => CountGroup::Module(run.module_digest),
        CountBy::StartDay => CountGroup::Day(run.started_at.as_micros().div_euclid(DAY_MICROS)),
    }
}

/// Groups of equal size come in the order of these.
fn key_of(group: &CountGroup) -> (i64, Vec<u8>) {
    match group {
        CountGroup::Status(status) => (0, status.as_str().as_bytes().to_vec()),
        CountGroup::Type(name) => (0, name.as_str().as_bytes().to_vec()),
        CountGroup::Module(digest) => (0, digest.0.to_vec()),
        CountGroup::Day(day) => (*day, Vec::new()),
    }
}
