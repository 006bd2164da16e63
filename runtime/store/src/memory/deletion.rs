//! Forgetting runs and modules.

use std::collections::HashSet;

use async_trait::async_trait;
use dacapo_model::ids::{ModuleName, NamespaceName, RunKey};
use dacapo_model::module::ModuleVersion;
use dacapo_model::time::Timestamp;

use super::{MemoryStore, at_most};
use crate::deletion::{ClosedRun, DeletionStore, ModuleDeletion, RunDeletion};
use crate::error::Result;
use crate::shard::Ownership;

#[async_trait]
impl DeletionStore for MemoryStore {
    async fn closed_runs(
        &self,
        namespace: &NamespaceName,
        before: Timestamp,
        after: Option<ClosedRun>,
        limit: u32,
    ) -> Result<Vec<ClosedRun>> {
        Ok(self.read(|state| {
            let runs = state.executions.values().filter(|run| run.namespace == *namespace);
            let closed = runs
                .filter_map(|run| Some(ClosedRun { key: run.key, closed_at: run.closed_at? }))
                .filter(|run| run.closed_at < before)
                .filter(|run| after.is_none_or(|after| run.place() > after.place()));
            let mut closed: Vec<_> = closed.collect();
            closed.sort_by_key(ClosedRun::place);
            closed.truncate(at_most(limit));
            closed
        }))
    }

    async fn delete_run(&self, ownership: &Ownership, key: RunKey) -> Result<RunDeletion> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        state.check_held(ownership, &[key.hash])?;
        match state.executions.get(&key) {
            None => return Ok(RunDeletion::Unknown),
            Some(run) if run.status.is_open() => return Ok(RunDeletion::Open),
            Some(_) => {}
        }
        state.executions.remove(&key);
        state.events.retain(|(run, _), _| *run != key);
        state.timers.retain(|(run, _), _| *run != key);
        state.due.retain(|at| at.key != key);
        state.updates.retain(|(run, _), _| *run != key);
        state.query_results.retain(|(run, _), _| *run != key);
        state.tasks.retain(|(run, _), _| *run != key);
        Ok(RunDeletion::Deleted)
    }

    async fn delete_modules(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        name: &ModuleName,
        version: Option<u32>,
    ) -> Result<ModuleDeletion> {
        self.counters.add_statements(1);
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.check_all_held(ownership)?;
        let (gone, left): (Vec<_>, Vec<_>) = state.modules.iter().cloned().partition(|it| {
            it.namespace == *namespace
                && it.name == *name
                && version.is_none_or(|version| it.version == version)
        });
        let has = |modules: &[ModuleVersion], digest, namespace: &NamespaceName| {
            modules.iter().any(|it| it.digest == digest && it.namespace == *namespace)
        };
        let open = || state.executions.values().filter(|run| run.status.is_open());
        let needed = open().find(|run| {
            let digest = run.module_digest;
            run.namespace == *namespace
                && has(&gone, digest, namespace)
                && !has(&left, digest, namespace)
        });
        if let Some(run) = needed {
            let workflow_id = run.workflow_id.clone();
            return Ok(ModuleDeletion::Needed { workflow_id, run_id: run.key.run_id });
        }
        let pinned: HashSet<_> = open().map(|run| run.module_digest).collect();
        state.contents.retain(|digest, _| {
            pinned.contains(digest) || left.iter().any(|it| it.digest == *digest)
        });
        state.modules = left;
        state.module_changes += 1;
        let mut versions: Vec<_> = gone.into_iter().map(|it| it.version).collect();
        versions.sort_unstable();
        Ok(ModuleDeletion::Deleted(versions))
    }
}
