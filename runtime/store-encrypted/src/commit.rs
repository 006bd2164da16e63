//! Writing runs.

use async_trait::async_trait;
use dacapo_store::commit::{CommitStore, CommitUnit, ExecutionChange, RunTransition};
use dacapo_store::error::Result;
use dacapo_store::shard::Ownership;
use dacapo_store::task::TaskChange;

use crate::data::{self, Seal, Transform as _};
use crate::{EncryptedStore, each};

#[async_trait]
impl CommitStore for EncryptedStore {
    async fn commit(&self, ownership: &Ownership, units: &[CommitUnit]) -> Result<()> {
        let mut units = units.to_vec();
        for transition in units.iter_mut().flat_map(|unit| &mut unit.transitions) {
            if let Some(with) = self.seal(transition.key) {
                seal(&with, transition)?;
            }
        }
        self.inner.commit(ownership, &units).await
    }

    fn commits_at_once(&self) -> usize {
        self.inner.commits_at_once()
    }
}

fn seal(with: &Seal<'_>, transition: &mut RunTransition) -> Result<()> {
    // What is not named here holds no data.
    let RunTransition {
        key: _,
        events,
        execution,
        timers_set,
        timers_cleared: _,
        updates_set,
        updates_removed: _,
        query_results_set,
        tasks,
    } = transition;
    each(events, |event| data::event(with, event))?;
    match execution {
        ExecutionChange::None => {}
        ExecutionChange::Insert(execution) => data::execution(with, execution)?,
        ExecutionChange::Update(update) => {
            data::blocked(with, &mut update.blocked)?;
            let memo = update.attributes.iter_mut().flat_map(|it| it.memo.values_mut());
            memo.into_iter().try_for_each(|value| with.json(value))?;
        }
    }
    each(timers_set, |timer| data::timer(with, &mut timer.kind))?;
    each(updates_set, |admitted| with.payload(&mut admitted.update.input))?;
    each(query_results_set, |(_, value)| with.payload(value))?;
    each(tasks, |change| match change {
        TaskChange::Enqueue(task) => data::task(with, task),
        TaskChange::Lease(leased) => data::task(with, &mut leased.task),
        TaskChange::Requeue { last_failure, .. } => data::failure(with, last_failure),
        TaskChange::Tell { .. } | TaskChange::Remove { .. } => Ok(()),
    })
}
