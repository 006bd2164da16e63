//! The changes of tasks of a commit.

use dacapo_model::payload::Payload;
use dacapo_model::task::FairnessKey;
use dacapo_store::batch::CommitRows;
use dacapo_store::error::Result;
use dacapo_store::record::to_json;
use dacapo_store::task::{TaskKey, TaskRow};
use dacapo_store::task_columns::micros;
use dacapo_store::task_fold::FoldedTask;
use serde::Serialize;
use sqlx::SqliteConnection;

use crate::commit::{hex, rows};
use crate::error;

const QUEUES: &str = "task_queues";
const LEASES: &str = "task_queue_leases";

/// Says how many statements it took: one for those of a kind.
pub(crate) async fn change_tasks(
    connection: &mut SqliteConnection,
    batch: &CommitRows<'_>,
) -> Result<u64> {
    let folded = batch.tasks.values();
    let (mut replaced, mut requeued, mut told) = (false, false, false);
    let (mut waits, mut in_hand) = (false, false);
    for folded in folded {
        match folded {
            FoldedTask::Enqueue { .. } => (replaced, waits) = (true, true),
            FoldedTask::Lease(_) => (replaced, in_hand) = (true, true),
            FoldedTask::Remove => replaced = true,
            FoldedTask::Change { requeue, tell } => {
                requeued |= requeue.is_some();
                told |= tell.is_some();
            }
        }
    }
    let mut statements = 0;
    if replaced {
        remove(connection, batch).await?;
        statements += 2;
    }
    if told {
        tell_waiting(connection, batch).await?;
        statements += 1;
    }
    if requeued {
        requeue(connection, batch).await?;
        statements += 3;
    }
    if told {
        tell_workers(connection, batch).await?;
        statements += 1;
    }
    if waits {
        enqueue(connection, batch).await?;
        statements += 1;
    }
    if in_hand {
        lease(connection, batch).await?;
        statements += 1;
    }
    Ok(statements)
}

/// What makes a key in SQL.
pub(crate) fn key_columns((key, event_id): &TaskKey) -> (i32, String, u64) {
    (key.hash.0, hex(key.run_id.0), event_id.0)
}

async fn remove(connection: &mut SqliteConnection, batch: &CommitRows<'_>) -> Result<()> {
    let replaced = batch.tasks.iter().filter(|(_, it)| !matches!(it, FoldedTask::Change { .. }));
    let keys = rows(replaced.map(|(key, _)| key_columns(key)));
    sqlx::query!(
        "DELETE FROM task_queues
         WHERE (workflow_hash, run_id, event_id) IN (
             SELECT value ->> 0, unhex(value ->> 1), value ->> 2 FROM json_each(?)
         )",
        keys
    )
    .execute(&mut *connection)
    .await
    .map_err(error::of_commit(QUEUES))?;
    sqlx::query!(
        "DELETE FROM task_queue_leases
         WHERE (workflow_hash, run_id, event_id) IN (
             SELECT value ->> 0, unhex(value ->> 1), value ->> 2 FROM json_each(?)
         )",
        keys
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(LEASES))?;
    Ok(())
}

/// Key, until when to cancel, whether it is paused, when it may be handed out, and until
/// when it may wait.
fn told(batch: &CommitRows<'_>) -> String {
    rows(batch.tasks.iter().filter_map(|(key, folded)| match folded {
        FoldedTask::Change { tell: Some(tell), .. } => {
            let (hash, run_id, event_id) = key_columns(key);
            let cancel_until = tell.cancel_until.map(|until| until.as_micros());
            let visible_at = tell.visible_at.as_micros();
            let expires_at = tell.expires_at.map(|at| at.as_micros());
            Some((hash, run_id, event_id, cancel_until, tell.paused, visible_at, expires_at))
        }
        _ => None,
    }))
}

async fn tell_waiting(connection: &mut SqliteConnection, batch: &CommitRows<'_>) -> Result<()> {
    let told = told(batch);
    sqlx::query!(
        "UPDATE task_queues
         SET visible_at = change.value ->> 5,
             expires_at = change.value ->> 6,
             is_ready = 0,
             -- Whoever has it later has no more time, either.
             close_by = COALESCE(min(close_by, change.value ->> 3), change.value ->> 3, close_by)
         FROM json_each(?) AS change
         WHERE workflow_hash = change.value ->> 0
           AND run_id = unhex(change.value ->> 1)
           AND event_id = change.value ->> 2",
        told
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(QUEUES))?;
    Ok(())
}

async fn tell_workers(connection: &mut SqliteConnection, batch: &CommitRows<'_>) -> Result<()> {
    let told = told(batch);
    sqlx::query!(
        "UPDATE task_queue_leases
         SET cancel_requested = cancel_requested OR change.value ->> 3 IS NOT NULL,
             expires_at = min(expires_at, COALESCE(change.value ->> 3, expires_at)),
             -- Heartbeats don't prolong it beyond that.
             close_by = COALESCE(min(close_by, change.value ->> 3), change.value ->> 3, close_by),
             paused = change.value ->> 4
         FROM json_each(?) AS change
         WHERE workflow_hash = change.value ->> 0
           AND run_id = unhex(change.value ->> 1)
           AND event_id = change.value ->> 2",
        told
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(LEASES))?;
    Ok(())
}

async fn requeue(connection: &mut SqliteConnection, batch: &CommitRows<'_>) -> Result<()> {
    let requeued = rows(batch.tasks.iter().filter_map(|(key, folded)| match folded {
        FoldedTask::Change { requeue: Some(requeue), .. } => {
            let (hash, run_id, event_id) = key_columns(key);
            let last_failure = to_json(requeue.last_failure).to_string();
            let visible_at = requeue.visible_at.as_micros();
            let rank = requeue.fairness_rank;
            let cancel_until = requeue.cancel_until.map(|until| until.as_micros());
            let key = (hash, run_id, event_id);
            let expires_at = requeue.expires_at.map(|at| at.as_micros());
            Some((key, requeue.attempt, visible_at, last_failure, rank, cancel_until, expires_at))
        }
        _ => None,
    }));
    sqlx::query!(
        "UPDATE task_queues
         SET attempt = change.value ->> 1,
             visible_at = change.value ->> 2,
             is_ready = 0,
             expires_at = change.value ->> 6,
             last_failure = change.value ->> 3,
             fairness_rank = change.value ->> 4,
             close_by = COALESCE(min(close_by, change.value ->> 5), change.value ->> 5, close_by)
         FROM json_each(?) AS change
         WHERE workflow_hash = change.value ->> '$[0][0]'
           AND run_id = unhex(change.value ->> '$[0][1]')
           AND event_id = change.value ->> '$[0][2]'",
        requeued
    )
    .execute(&mut *connection)
    .await
    .map_err(error::of_commit(QUEUES))?;
    sqlx::query!(
        "INSERT INTO task_queues (
             workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
             fairness_key, fairness_rank, visible_at, is_ready, expires_at, attempt,
             start_to_close_micros, heartbeat_micros, close_by, last_failure, details,
             lease_epoch
         )
         SELECT workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
                fairness_key, change.value ->> 4, change.value ->> 2, 0,
                change.value ->> 6, change.value ->> 1, start_to_close_micros, heartbeat_micros,
                COALESCE(min(close_by, change.value ->> 5), change.value ->> 5, close_by),
                change.value ->> 3, details, lease_epoch
         FROM json_each(?) AS change
         CROSS JOIN task_queue_leases
         WHERE workflow_hash = change.value ->> '$[0][0]'
           AND run_id = unhex(change.value ->> '$[0][1]')
           AND event_id = change.value ->> '$[0][2]'",
        requeued
    )
    .execute(&mut *connection)
    .await
    .map_err(error::of_commit(QUEUES))?;
    sqlx::query!(
        "DELETE FROM task_queue_leases
         WHERE (workflow_hash, run_id, event_id) IN (
             SELECT value ->> '$[0][0]', unhex(value ->> '$[0][1]'), value ->> '$[0][2]'
             FROM json_each(?)
         )",
        requeued
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(LEASES))?;
    Ok(())
}

/// In groups, since a tuple has no more columns.
fn task_columns(row: &TaskRow) -> impl Serialize {
    let attempt = &row.attempt;
    (
        row.key.hash.0,
        hex(row.key.run_id.0),
        row.event_id.0,
        (
            row.namespace.as_str().to_owned(),
            row.queue.as_str().to_owned(),
            row.activity_type.as_str().to_owned(),
            row.priority.number(),
            row.fairness_key.as_ref().map(FairnessKey::as_str).map(str::to_owned),
            row.fairness_rank,
            row.visible_at.as_micros(),
            row.expires_at.map(|time| time.as_micros()),
        ),
        (
            attempt.number,
            micros(attempt.start_to_close),
            attempt.heartbeat.map(micros),
            attempt.close_by.map(|time| time.as_micros()),
            attempt.last_failure.as_ref().map(|failure| to_json(failure).to_string()),
            attempt.details.as_ref().map(Payload::as_bytes).map(hex::encode),
            row.lease_epoch,
        ),
    )
}

async fn enqueue(connection: &mut SqliteConnection, batch: &CommitRows<'_>) -> Result<()> {
    let waiting = rows(batch.tasks.values().filter_map(|folded| match folded {
        FoldedTask::Enqueue { row, is_ready } => Some((task_columns(row), is_ready)),
        _ => None,
    }));
    sqlx::query!(
        "INSERT INTO task_queues (
             workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
             fairness_key, fairness_rank, visible_at, expires_at, attempt,
             start_to_close_micros, heartbeat_micros, close_by, last_failure, details,
             lease_epoch, is_ready
         )
         SELECT value ->> '$[0][0]', unhex(value ->> '$[0][1]'), value ->> '$[0][2]',
                value ->> '$[0][3][0]', value ->> '$[0][3][1]', value ->> '$[0][3][2]',
                value ->> '$[0][3][3]', value ->> '$[0][3][4]', value ->> '$[0][3][5]',
                value ->> '$[0][3][6]', value ->> '$[0][3][7]', value ->> '$[0][4][0]',
                value ->> '$[0][4][1]', value ->> '$[0][4][2]', value ->> '$[0][4][3]',
                value ->> '$[0][4][4]', unhex(value ->> '$[0][4][5]'), value ->> '$[0][4][6]',
                value ->> '$[1]'
         FROM json_each(?)",
        waiting
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(QUEUES))?;
    Ok(())
}

async fn lease(connection: &mut SqliteConnection, batch: &CommitRows<'_>) -> Result<()> {
    let leased = rows(batch.tasks.values().filter_map(|folded| match folded {
        FoldedTask::Lease(leased) => {
            let lease = &leased.lease;
            let columns = (
                lease.worker.as_str().to_owned(),
                hex::encode(lease.token_digest),
                lease.started_at.as_micros(),
                lease.expires_at.as_micros(),
                micros(lease.duration),
                lease.cancel_requested,
                lease.paused,
            );
            Some((task_columns(&leased.task), columns))
        }
        _ => None,
    }));
    sqlx::query!(
        "INSERT INTO task_queue_leases (
             workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
             fairness_key, fairness_rank, visible_at, task_expires_at, attempt,
             start_to_close_micros, heartbeat_micros, close_by, last_failure, details,
             lease_epoch, worker, token_digest, started_at, expires_at, lease_micros,
             cancel_requested, paused
         )
         SELECT value ->> '$[0][0]', unhex(value ->> '$[0][1]'), value ->> '$[0][2]',
                value ->> '$[0][3][0]', value ->> '$[0][3][1]', value ->> '$[0][3][2]',
                value ->> '$[0][3][3]', value ->> '$[0][3][4]', value ->> '$[0][3][5]',
                value ->> '$[0][3][6]', value ->> '$[0][3][7]', value ->> '$[0][4][0]',
                value ->> '$[0][4][1]', value ->> '$[0][4][2]', value ->> '$[0][4][3]',
                value ->> '$[0][4][4]', unhex(value ->> '$[0][4][5]'), value ->> '$[0][4][6]',
                value ->> '$[1][0]', unhex(value ->> '$[1][1]'), value ->> '$[1][2]',
                value ->> '$[1][3]', value ->> '$[1][4]', value ->> '$[1][5]',
                value ->> '$[1][6]'
         FROM json_each(?)",
        leased
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(LEASES))?;
    Ok(())
}
