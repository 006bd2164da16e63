//! Writing runs.

use async_trait::async_trait;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Execution;
use dacapo_model::ids::{EventId, RunKey};
use dacapo_store::batch::{Batch, touched_shards};
use dacapo_store::commit::{CommitStore, CommitUnit, ExecutionUpdate};
use dacapo_store::error::{Result, StoreError};
use dacapo_store::record::{RowName, event_to_json, to_json, to_signed};
use dacapo_store::shard::Ownership;
use dacapo_store::timer::{TimerKind, TimerRow};
use sqlx::SqliteConnection;

use crate::{SqliteStore, error, timer};

const EVENTS: &str = "history_events";
const EXECUTIONS: &str = "workflow_executions";
const TIMERS: &str = "workflow_timers";

#[async_trait]
impl CommitStore for SqliteStore {
    async fn commit(&self, ownership: &Ownership, units: &[CommitUnit]) -> Result<()> {
        if units.is_empty() {
            return Ok(());
        }
        let shards = match touched_shards(ownership, units) {
            Ok(shards) => shards,
            Err(hash) => return Err(self.not_held(hash).await),
        };
        let batch = Batch::fold(units)?;
        let statements = shards.len()
            + batch.updates.len()
            + batch.inserts.len()
            + batch.events.len()
            + batch.timers_set.len()
            + batch.timers_cleared.len();
        self.counters.add_statements(statements as u64);

        // Dropped without a commit, it rolls back.
        let mut transaction = self.begin().await?;
        for (shard_id, epoch) in shards {
            check_epoch(&mut transaction, shard_id, epoch).await?;
        }
        write(&mut transaction, &batch).await?;
        transaction.commit().await.map_err(error::unavailable)?;
        self.counters.add_commit();
        Ok(())
    }
}

/// Nobody else writes while the transaction lasts, so what this reads holds
/// until its end.
async fn check_epoch(
    connection: &mut SqliteConnection,
    shard_id: u16,
    expected: u64,
) -> Result<()> {
    let stored =
        sqlx::query_scalar!("SELECT epoch FROM history_shards WHERE shard_id = ?", shard_id)
            .fetch_optional(connection)
            .await
            .map_err(error::on("history_shards"))?
            .unwrap_or(0);
    let row = RowName { table: "history_shards", key: &shard_id };
    let epoch = row.unsigned("epoch", stored)?;
    if epoch == expected { Ok(()) } else { Err(StoreError::Fenced { shard_id, epoch }) }
}

/// Updates come before inserts, so that a run may replace an open one.
async fn write(connection: &mut SqliteConnection, batch: &Batch<'_>) -> Result<()> {
    for (key, update) in &batch.updates {
        update_execution(connection, *key, update).await?;
    }
    for execution in &batch.inserts {
        insert_execution(connection, execution).await?;
    }
    for (key, event) in &batch.events {
        append_event(connection, *key, event).await?;
    }
    for row in batch.timers_set.values() {
        set_timer(connection, row).await?;
    }
    for (key, event_id) in &batch.timers_cleared {
        clear_timer(connection, *key, *event_id).await?;
    }
    Ok(())
}

async fn update_execution(
    connection: &mut SqliteConnection,
    key: RunKey,
    update: &ExecutionUpdate,
) -> Result<()> {
    let status = update.status.as_str();
    let blocked = update.blocked.as_ref().map(to_json);
    let closed_at = update.closed_at.map(|time| time.as_micros());
    let outcome = sqlx::query!(
        "UPDATE workflow_executions SET status = ?, blocked = ?, closed_at = ?
         WHERE workflow_hash = ? AND run_id = ?",
        status,
        blocked,
        closed_at,
        key.hash.0,
        key.run_id.0
    )
    .execute(connection)
    .await
    .map_err(error::on(EXECUTIONS))?;
    if outcome.rows_affected() == 1 {
        return Ok(());
    }
    let row = RowName { table: EXECUTIONS, key: &key };
    Err(row.corrupt("run_id", "the run to change does not exist"))
}

async fn insert_execution(connection: &mut SqliteConnection, execution: &Execution) -> Result<()> {
    let namespace = execution.namespace.as_str();
    let workflow_id = execution.workflow_id.as_str();
    let workflow_type = execution.workflow_type.as_str();
    let module_digest = execution.module_digest.0.as_slice();
    let request_id = execution.request_id.as_ref().map(|id| id.as_str());
    let status = execution.status.as_str();
    let blocked = execution.blocked.as_ref().map(to_json);
    let started_at = execution.started_at.as_micros();
    let closed_at = execution.closed_at.map(|time| time.as_micros());
    sqlx::query!(
        "INSERT INTO workflow_executions (
             workflow_hash, run_id, namespace, workflow_id, workflow_type, module_digest,
             request_id, status, blocked, started_at, closed_at
         ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        execution.key.hash.0,
        execution.key.run_id.0,
        namespace,
        workflow_id,
        workflow_type,
        module_digest,
        request_id,
        status,
        blocked,
        started_at,
        closed_at
    )
    .execute(connection)
    .await
    .map_err(error::on(EXECUTIONS))?;
    Ok(())
}

async fn append_event(
    connection: &mut SqliteConnection,
    key: RunKey,
    event: &HistoryEvent,
) -> Result<()> {
    let event_id = to_signed(&RowName { table: EVENTS, key: &key }, "event_id", event.id.0)?;
    let event_type = event.attributes.type_name();
    let event_time = event.time.as_micros();
    let attributes = event_to_json(&event.attributes);
    let payload = event.attributes.payload().map(|(_, payload)| payload.as_bytes());
    sqlx::query!(
        "INSERT INTO history_events (
             workflow_hash, run_id, event_id, event_type, event_time, attributes, payload
         ) VALUES (?, ?, ?, ?, ?, ?, ?)",
        key.hash.0,
        key.run_id.0,
        event_id,
        event_type,
        event_time,
        attributes,
        payload
    )
    .execute(connection)
    .await
    .map_err(error::on(EVENTS))?;
    Ok(())
}

async fn set_timer(connection: &mut SqliteConnection, row: &TimerRow) -> Result<()> {
    let key = row.key;
    let event_id = to_signed(&RowName { table: TIMERS, key: &key }, "event_id", row.event_id.0)?;
    let fire_at = row.fire_at.as_micros();
    let (kind, attempt, last_failure) = match &row.kind {
        TimerKind::Timer => (timer::TIMER, None, None),
        TimerKind::ActivityRetry { attempt, last_failure } => {
            (timer::ACTIVITY_RETRY, Some(*attempt), Some(to_json(last_failure)))
        }
    };
    sqlx::query!(
        "INSERT INTO workflow_timers (
             workflow_hash, run_id, event_id, fire_at, kind, attempt, last_failure
         ) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (workflow_hash, run_id, event_id) DO UPDATE
         SET fire_at = excluded.fire_at,
             kind = excluded.kind,
             attempt = excluded.attempt,
             last_failure = excluded.last_failure",
        key.hash.0,
        key.run_id.0,
        event_id,
        fire_at,
        kind,
        attempt,
        last_failure
    )
    .execute(connection)
    .await
    .map_err(error::on(TIMERS))?;
    Ok(())
}

async fn clear_timer(
    connection: &mut SqliteConnection,
    key: RunKey,
    event_id: EventId,
) -> Result<()> {
    let event_id = to_signed(&RowName { table: TIMERS, key: &key }, "event_id", event_id.0)?;
    sqlx::query!(
        "DELETE FROM workflow_timers WHERE workflow_hash = ? AND run_id = ? AND event_id = ?",
        key.hash.0,
        key.run_id.0,
        event_id
    )
    .execute(connection)
    .await
    .map_err(error::on(TIMERS))?;
    Ok(())
}
