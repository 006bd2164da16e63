//! Writing runs: the hot path.

use async_trait::async_trait;
use dacapo_store::batch::{Batch, touched_shards};
use dacapo_store::commit::{CommitStore, CommitUnit};
use dacapo_store::error::{Result, StoreError};
use dacapo_store::shard::Ownership;

use crate::commit_columns::{
    ClearedTimers, InsertedExecutions, NewEvents, SetTimers, UpdatedExecutions,
};
use crate::{PostgresStore, error};

#[async_trait]
impl CommitStore for PostgresStore {
    async fn commit(&self, ownership: &Ownership, units: &[CommitUnit]) -> Result<()> {
        if units.is_empty() {
            return Ok(());
        }
        let shards = match touched_shards(ownership, units) {
            Ok(shards) => shards,
            Err(hash) => return Err(self.not_held(hash).await),
        };
        let batch = Batch::fold(units)?;
        let updated = UpdatedExecutions::of(&batch);
        let inserted = InsertedExecutions::of(&batch);
        let events = NewEvents::of(&batch)?;
        let timers = SetTimers::of(&batch)?;
        let cleared = ClearedTimers::of(&batch)?;
        let (shard_ids, epochs) = held(shards)?;

        let outcome = sqlx::query_file!(
            "queries/commit.sql",
            &shard_ids,
            &epochs,
            &updated.hashes,
            &updated.run_ids,
            &updated.statuses as _,
            &updated.blocked as _,
            &updated.closed_at as _,
            &inserted.hashes,
            &inserted.run_ids,
            &inserted.namespaces as _,
            &inserted.workflow_ids as _,
            &inserted.workflow_types as _,
            &inserted.module_digests as _,
            &inserted.request_ids as _,
            &inserted.statuses as _,
            &inserted.blocked as _,
            &inserted.started_at,
            &inserted.closed_at as _,
            &events.hashes,
            &events.run_ids,
            &events.event_ids,
            &events.types as _,
            &events.times,
            &events.attributes,
            &events.payloads as _,
            &timers.hashes,
            &timers.run_ids,
            &timers.event_ids,
            &timers.fire_at,
            &timers.kinds as _,
            &timers.attempts as _,
            &timers.last_failures as _,
            &cleared.hashes,
            &cleared.run_ids,
            &cleared.event_ids,
        )
        .fetch_one(self.statement())
        .await
        .map_err(error::on("workflow_executions"))?;

        if let (Some(shard_id), Some(epoch)) = (outcome.fenced_shard, outcome.fenced_epoch) {
            return Err(fenced(shard_id, epoch));
        }
        self.counters.add_commit();
        Ok(())
    }
}

/// Leases as the arrays of a statement. Epochs were read from the database, so
/// they fit; one that does not was not read from there.
fn held(shards: impl IntoIterator<Item = (u16, u64)>) -> Result<(Vec<i32>, Vec<i64>)> {
    shards
        .into_iter()
        .map(|(shard_id, epoch)| match i64::try_from(epoch) {
            Ok(signed) => Ok((i32::from(shard_id), signed)),
            Err(_) => Err(StoreError::Fenced { shard_id, epoch }),
        })
        .collect()
}

/// The table's checks keep both numbers in range.
pub(crate) fn fenced(shard_id: i32, epoch: i64) -> StoreError {
    StoreError::Fenced {
        shard_id: u16::try_from(shard_id).unwrap_or(u16::MAX),
        epoch: u64::try_from(epoch).unwrap_or(u64::MAX),
    }
}
