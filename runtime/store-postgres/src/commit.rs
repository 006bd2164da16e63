//! Writing runs: the hot path.

use async_trait::async_trait;
use dacapo_model::ids::{EventId, RunId};
use dacapo_store::batch::{CommitRows, touched_shards};
use dacapo_store::commit::{CommitStore, CommitUnit};
use dacapo_store::error::{Result, StoreError};
use dacapo_store::shard::Ownership;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::commit_columns::{
    ClearedTimers, InsertedExecutions, NewEvents, RemovedUpdates, RequiredEvents, SetQueryResults,
    SetTags, SetTimers, SetUpdates, UpdatedExecutions,
};
use crate::error::unavailable;
use crate::task_changes::ChangedTasks;
use crate::{COMMITS_AT_ONCE, PostgresStore, error};

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
        let batch = CommitRows::fold(units)?;
        let held = held(shards)?;
        self.counters.add_statements(Way::of(&batch).statements());
        let outcome = self.write_batch(&held, &batch).await;
        self.lineage.judge(outcome)?;
        self.counters.add_commit();
        Ok(())
    }

    fn commits_at_once(&self) -> usize {
        COMMITS_AT_ONCE
    }
}

impl PostgresStore {
    async fn write_batch(&self, held: &Held, batch: &CommitRows<'_>) -> Result<()> {
        let mut taken = self.commits.take().await.map_err(unavailable)?;
        // A new session may just have found it out.
        self.lineage.check()?;
        let writing = async {
            match Way::of(batch) {
                Way::Rows => write_rows(&mut taken, held, batch).await,
                Way::Tasks => append_with_tasks(&mut taken, held, batch).await,
                Way::More { .. } => write_more(&mut taken, held, batch).await,
            }
        };
        let outcome = self.patience.within(writing).await.and_then(Outcome::into_result);
        if outcome.is_ok() {
            self.lineage.acknowledge(batch, taken.generation);
        }
        // Without a verdict, nobody knows what the session is doing.
        if !matches!(outcome, Err(StoreError::Unavailable { .. })) {
            self.commits.keep(taken);
        }
        outcome
    }
}

/// How a commit is written.
enum Way {
    /// In one statement: histories and what is in `commit.sql`.
    Rows,
    /// In one statement: histories and tasks.
    Tasks,
    /// In several.
    More { messages: bool, tasks: bool, tags: bool },
}

impl Way {
    fn of(batch: &CommitRows<'_>) -> Self {
        match (batch.has_messages(), !batch.tasks.is_empty(), batch.has_tags()) {
            (false, false, false) => Self::Rows,
            (false, true, false) if batch.is_append_only() => Self::Tasks,
            (messages, tasks, tags) => Self::More { messages, tasks, tags },
        }
    }

    fn statements(&self) -> u64 {
        match self {
            Self::Rows | Self::Tasks => 1,
            // With the transaction's begin and end.
            Self::More { messages, tasks, tags } => {
                3 + u64::from(*messages) + u64::from(*tasks) + u64::from(*tags)
            }
        }
    }
}

/// What a commit answers: the shard that has another epoch than it was held
/// under, or an event that is not there, if there is one. Then nothing was written.
struct Outcome {
    shard_id: Option<i32>,
    epoch: Option<i64>,
    run_id: Option<Uuid>,
    event_id: Option<i64>,
}

impl Outcome {
    fn into_result(self) -> Result<()> {
        if let (Some(shard_id), Some(epoch)) = (self.shard_id, self.epoch) {
            return Err(fenced(shard_id, epoch));
        }
        match (self.run_id, self.event_id) {
            (Some(run_id), Some(event_id)) => {
                let event_id = EventId(event_id.cast_unsigned());
                Err(StoreError::missing_event(RunId(run_id), event_id))
            }
            _ => Ok(()),
        }
    }

    fn is_refused(&self) -> bool {
        self.shard_id.is_some() || self.run_id.is_some()
    }
}

/// Dropped without a commit, the transaction rolls back.
async fn write_more(
    connection: &mut PgConnection,
    held: &Held,
    batch: &CommitRows<'_>,
) -> Result<Outcome> {
    let mut transaction = connection.begin().await.map_err(unavailable)?;
    let outcome = write_rows(&mut transaction, held, batch).await?;
    if !outcome.is_refused() {
        if batch.has_messages() {
            write_messages(&mut transaction, batch).await?;
        }
        if !batch.tasks.is_empty() {
            change_tasks(&mut transaction, batch).await?;
        }
        if batch.has_tags() {
            set_tags(&mut transaction, batch).await?;
        }
    }
    transaction.commit().await.map_err(unavailable)?;
    Ok(outcome)
}

async fn write_rows(
    connection: &mut PgConnection,
    held: &Held,
    batch: &CommitRows<'_>,
) -> Result<Outcome> {
    if batch.is_append_only() {
        append(connection, held, batch).await
    } else {
        write(connection, held, batch).await
    }
}

async fn write_messages(connection: &mut PgConnection, batch: &CommitRows<'_>) -> Result<()> {
    let set = SetUpdates::of(batch);
    let removed = RemovedUpdates::of(batch);
    let results = SetQueryResults::of(batch);
    sqlx::query_file!(
        "queries/commit_messages.sql",
        &set.hashes,
        &set.run_ids,
        &set.ids as _,
        &set.names as _,
        &set.inputs as _,
        &set.admitted_at,
        &removed.hashes,
        &removed.run_ids,
        &removed.ids as _,
        &results.hashes,
        &results.run_ids,
        &results.names as _,
        &results.values as _,
    )
    .execute(connection)
    .await
    .map_err(error::of_commit("workflow_updates"))?;
    Ok(())
}

async fn set_tags(connection: &mut PgConnection, batch: &CommitRows<'_>) -> Result<()> {
    let set = SetTags::of(batch);
    sqlx::query_file!(
        "queries/commit_tags.sql",
        &set.changed_hashes,
        &set.changed_run_ids,
        &set.hashes,
        &set.run_ids,
        &set.tags as _,
    )
    .execute(connection)
    .await
    .map_err(error::of_commit("workflow_tags"))?;
    Ok(())
}

async fn change_tasks(connection: &mut PgConnection, batch: &CommitRows<'_>) -> Result<()> {
    let tasks = ChangedTasks::of(batch)?;
    sqlx::query_file!(
        "queries/change_tasks.sql",
        &tasks.kinds as _,
        &tasks.hashes,
        &tasks.run_ids,
        &tasks.event_ids,
        &tasks.namespaces as _,
        &tasks.queues as _,
        &tasks.activity_types as _,
        &tasks.priorities as _,
        &tasks.fairness_keys as _,
        &tasks.fairness_ranks as _,
        &tasks.visible_at as _,
        &tasks.are_ready as _,
        &tasks.task_expires_at as _,
        &tasks.attempts as _,
        &tasks.start_to_close as _,
        &tasks.heartbeats as _,
        &tasks.close_by as _,
        &tasks.last_failures as _,
        &tasks.details as _,
        &tasks.lease_epochs as _,
        &tasks.workers as _,
        &tasks.token_digests as _,
        &tasks.started_at as _,
        &tasks.expires_at as _,
        &tasks.lease_micros as _,
        &tasks.cancel_requested as _,
        &tasks.paused as _,
    )
    .fetch_one(connection)
    .await
    .map_err(error::of_commit("task_queues"))?;
    Ok(())
}

async fn append_with_tasks(
    connection: &mut PgConnection,
    held: &Held,
    batch: &CommitRows<'_>,
) -> Result<Outcome> {
    let required = RequiredEvents::of(batch)?;
    let events = NewEvents::of(batch)?;
    let tasks = ChangedTasks::of(batch)?;
    sqlx::query_file_as!(
        Outcome,
        "queries/commit_tasks.sql",
        &held.shard_ids,
        &held.epochs,
        &required.hashes,
        &required.run_ids,
        &required.event_ids,
        &events.hashes,
        &events.run_ids,
        &events.event_ids,
        &events.types as _,
        &events.times,
        &events.attributes,
        &events.payloads as _,
        &tasks.kinds as _,
        &tasks.hashes,
        &tasks.run_ids,
        &tasks.event_ids,
        &tasks.namespaces as _,
        &tasks.queues as _,
        &tasks.activity_types as _,
        &tasks.priorities as _,
        &tasks.fairness_keys as _,
        &tasks.fairness_ranks as _,
        &tasks.visible_at as _,
        &tasks.are_ready as _,
        &tasks.task_expires_at as _,
        &tasks.attempts as _,
        &tasks.start_to_close as _,
        &tasks.heartbeats as _,
        &tasks.close_by as _,
        &tasks.last_failures as _,
        &tasks.details as _,
        &tasks.lease_epochs as _,
        &tasks.workers as _,
        &tasks.token_digests as _,
        &tasks.started_at as _,
        &tasks.expires_at as _,
        &tasks.lease_micros as _,
        &tasks.cancel_requested as _,
        &tasks.paused as _,
    )
    .fetch_one(connection)
    .await
    .map_err(error::of_commit("task_queues"))
}

async fn append(
    connection: &mut PgConnection,
    held: &Held,
    batch: &CommitRows<'_>,
) -> Result<Outcome> {
    let required = RequiredEvents::of(batch)?;
    let events = NewEvents::of(batch)?;
    sqlx::query_file_as!(
        Outcome,
        "queries/commit_events.sql",
        &held.shard_ids,
        &held.epochs,
        &required.hashes,
        &required.run_ids,
        &required.event_ids,
        &events.hashes,
        &events.run_ids,
        &events.event_ids,
        &events.types as _,
        &events.times,
        &events.attributes,
        &events.payloads as _,
    )
    .fetch_one(connection)
    .await
    .map_err(error::of_commit("history_events"))
}

async fn write(
    connection: &mut PgConnection,
    held: &Held,
    batch: &CommitRows<'_>,
) -> Result<Outcome> {
    let required = RequiredEvents::of(batch)?;
    let updated = UpdatedExecutions::of(batch)?;
    let inserted = InsertedExecutions::of(batch)?;
    let events = NewEvents::of(batch)?;
    let timers = SetTimers::of(batch)?;
    let cleared = ClearedTimers::of(batch)?;
    sqlx::query_file_as!(
        Outcome,
        "queries/commit.sql",
        &held.shard_ids,
        &held.epochs,
        &required.hashes,
        &required.run_ids,
        &required.event_ids,
        &updated.hashes,
        &updated.run_ids,
        &updated.statuses as _,
        &updated.blocked as _,
        &updated.closed_at as _,
        &updated.module_digests as _,
        &updated.says,
        &updated.memos as _,
        &updated.search_attributes as _,
        &updated.history_lengths as _,
        &updated.history_bytes as _,
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
        &inserted.memos as _,
        &inserted.search_attributes as _,
        &inserted.places,
        &inserted.execution_times as _,
        &inserted.parent_workflow_ids as _,
        &inserted.parent_run_ids as _,
        &inserted.root_workflow_ids as _,
        &inserted.root_run_ids as _,
        &inserted.history_lengths as _,
        &inserted.history_bytes as _,
        &inserted.task_queues as _,
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
        &timers.details as _,
        &cleared.hashes,
        &cleared.run_ids,
        &cleared.event_ids,
    )
    .fetch_one(connection)
    .await
    .map_err(error::of_commit("workflow_executions"))
}

/// Leases as the arrays of a statement.
pub(crate) struct Held {
    pub(crate) shard_ids: Vec<i32>,
    pub(crate) epochs: Vec<i64>,
}

/// Epochs were read from the database, so they fit; one that does not was not
/// read from there.
pub(crate) fn held(shards: impl IntoIterator<Item = (u16, u64)>) -> Result<Held> {
    let mut held = Held { shard_ids: Vec::new(), epochs: Vec::new() };
    for (shard_id, epoch) in shards {
        let Ok(signed) = i64::try_from(epoch) else {
            return Err(StoreError::Fenced { shard_id, epoch });
        };
        held.shard_ids.push(i32::from(shard_id));
        held.epochs.push(signed);
    }
    Ok(held)
}

/// The table's checks keep both numbers in range.
pub(crate) fn fenced(shard_id: i32, epoch: i64) -> StoreError {
    StoreError::Fenced {
        shard_id: u16::try_from(shard_id).unwrap_or(u16::MAX),
        epoch: u64::try_from(epoch).unwrap_or(u64::MAX),
    }
}
