//! Settings of task queues, and claims that go by them.

use async_trait::async_trait;
use dacapo_model::ids::{NamespaceName, QueueName};
use dacapo_model::queue_limits::QueueLimits;
use dacapo_model::task::FairnessKey;
use dacapo_model::time::Timestamp;

use super::{MemoryStore, at_most};
use crate::allowance::QueueUse;
use crate::error::Result;
use crate::limited_claim::{Candidate, LimitedClaiming};
use crate::queue_settings::{QueueSettings, QueueSettingsStore, SettingsChange};
use crate::shard::Ownership;
use crate::task::{ClaimedTask, TaskClaim, TaskKey, TaskRow};

/// A claim under way; who holds the turn of such claims.
pub(super) struct Limited<'a> {
    pub(super) store: &'a MemoryStore,
}

#[async_trait]
impl QueueSettingsStore for MemoryStore {
    async fn change_queue_settings(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        queue: &QueueName,
        change: &SettingsChange,
        now: Timestamp,
    ) -> Result<QueueSettings> {
        self.counters.add_statements(1);
        let _turn = self.limited.lock().await;
        let mut state = self.state.lock();
        state.check_all_held(ownership)?;
        let place = (namespace.clone(), queue.clone());
        let before = state.queue_settings.remove(&place);
        let before =
            before.unwrap_or_else(|| QueueSettings::none(namespace.clone(), queue.clone(), now));
        let settings = change.of(before, now);
        if settings.is_any() {
            state.queue_settings.insert(place, settings.clone());
        } else {
            state.queue_rates.retain(|(of, _), _| *of != place);
        }
        Ok(settings)
    }

    async fn queue_use(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        _limits: &QueueLimits,
        _now: Timestamp,
    ) -> Result<QueueUse> {
        Ok(self.read(|state| state.queue_use(namespace, queue)))
    }

    async fn all_queue_settings(&self) -> Result<Vec<QueueSettings>> {
        Ok(self.read(|state| state.queue_settings.values().cloned().collect()))
    }
}

impl Limited<'_> {
    fn candidates(&self, wanted: Vec<TaskRow>) -> Vec<Candidate> {
        let state = self.store.state.lock();
        let candidate = |row: TaskRow| {
            let task = (row.key, row.event_id);
            let payload = state.events.get(&task).and_then(|event| event.attributes.payload());
            let bytes = payload.map_or(0, |(_, payload)| payload.len() as u64);
            Candidate { task, fairness_key: row.fairness_key, bytes }
        };
        wanted.into_iter().map(candidate).collect()
    }
}

#[async_trait]
impl LimitedClaiming for Limited<'_> {
    async fn lock_settings(&mut self, claim: &TaskClaim) -> Result<Option<QueueSettings>> {
        let place = (claim.namespace.clone(), claim.queue.clone());
        Ok(self.store.state.lock().queue_settings.get(&place).cloned())
    }

    async fn queue_use(&mut self, claim: &TaskClaim, _limits: &QueueLimits) -> Result<QueueUse> {
        Ok(self.store.state.lock().queue_use(&claim.namespace, &claim.queue))
    }

    async fn first_waiting(&mut self, claim: &TaskClaim, limit: u32) -> Result<Vec<Candidate>> {
        let mut wanted = self.store.state.lock().wanted(claim);
        wanted.truncate(at_most(limit));
        Ok(self.candidates(wanted))
    }

    async fn first_waiting_by_key(
        &mut self,
        claim: &TaskClaim,
        per_key: u32,
        limit: u32,
    ) -> Result<Vec<Candidate>> {
        let mut wanted = self.store.state.lock().wanted(claim);
        let mut of_key = std::collections::BTreeMap::<FairnessKey, u32>::new();
        wanted.retain(|row| {
            row.fairness_key.as_ref().is_some_and(|key| {
                let count = of_key.entry(key.clone()).or_insert(0);
                *count += 1;
                *count <= per_key
            })
        });
        wanted.truncate(at_most(limit));
        Ok(self.candidates(wanted))
    }

    async fn lease(&mut self, claim: &TaskClaim, tasks: &[TaskKey]) -> Result<Vec<ClaimedTask>> {
        let mut state = self.store.state.lock();
        let mut leased: Vec<_> =
            tasks.iter().filter_map(|task| state.claim(*task, claim)).collect();
        leased.sort_by_key(|it| {
            let row = &it.leased.task;
            (row.priority, row.fairness_rank, row.key, row.event_id)
        });
        Ok(leased)
    }

    async fn write_rates(
        &mut self,
        claim: &TaskClaim,
        rates: &[(Option<FairnessKey>, Timestamp)],
    ) -> Result<()> {
        let place = (claim.namespace.clone(), claim.queue.clone());
        let mut state = self.store.state.lock();
        for (key, full_at) in rates {
            state.queue_rates.insert((place.clone(), key.clone()), *full_at);
        }
        Ok(())
    }
}
