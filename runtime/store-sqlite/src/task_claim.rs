//! Claims: the statements of one transaction.

use dacapo_model::time::Timestamp;
use dacapo_store::error::Result;
use dacapo_store::task::{ClaimedTask, TaskClaim};
use dacapo_store::task_columns::{StoredActivity, micros};
use serde_json::Value;
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::commit::rows;
use crate::error;
use crate::task_row::{ExpiredRow, TaskColumns};

const QUEUES: &str = "task_queues";
const LEASES: &str = "task_queue_leases";

/// What a worker is given, and how many statements it took.
pub(crate) async fn claim_tasks(
    connection: &mut SqliteConnection,
    claim: &TaskClaim,
) -> Result<(Vec<ClaimedTask>, u64)> {
    make_ready(connection, claim).await?;
    let chosen = choose(connection, claim).await?;
    if chosen.is_empty() {
        return Ok((Vec::new(), 2));
    }
    let chosen = rows(chosen.iter().map(ExpiredRow::key));
    Ok((lease_chosen(connection, claim, &chosen).await?, 5))
}

/// Leases these tasks, in three statements. What can be handed out of them, in their order.
pub(crate) async fn lease_chosen(
    connection: &mut SqliteConnection,
    claim: &TaskClaim,
    chosen: &str,
) -> Result<Vec<ClaimedTask>> {
    lease(connection, claim, chosen).await?;
    let mut claimed = Vec::new();
    for task in read_claimed(connection, chosen).await? {
        match task {
            Ok(task) => claimed.push(task),
            // Its run is told when the lease is over. The others are handed out.
            Err(error) => tracing::error!(%error, "a task can't be handed out"),
        }
    }
    Ok(claimed)
}

/// Those whose time has come since the last claim. Each is looked at once, and no claim
/// has to look at all of them.
pub(crate) async fn make_ready(connection: &mut SqliteConnection, claim: &TaskClaim) -> Result<()> {
    let (namespace, queue) = (claim.namespace.as_str(), claim.queue.as_str());
    let now = claim.now.as_micros();
    sqlx::query!(
        "UPDATE task_queues
         SET is_ready = 1
         WHERE rowid IN (
             SELECT rowid
             FROM task_queues
             WHERE is_ready = 0 AND namespace = ? AND queue = ? AND visible_at <= ?
             ORDER BY visible_at
             LIMIT 1000
         )",
        namespace,
        queue,
        now
    )
    .execute(connection)
    .await
    .map_err(error::on(QUEUES))?;
    Ok(())
}

async fn choose(connection: &mut SqliteConnection, claim: &TaskClaim) -> Result<Vec<ExpiredRow>> {
    let (namespace, queue) = (claim.namespace.as_str(), claim.queue.as_str());
    let types = rows(claim.activity_types.iter());
    let except = rows(claim.except_keys.iter());
    let now = claim.now.as_micros();
    let bytes_max = i64::try_from(claim.bytes_max).unwrap_or(i64::MAX);
    sqlx::query_as!(
        ExpiredRow,
        r#"WITH first AS MATERIALIZED (
               SELECT workflow_hash, run_id, event_id, priority, fairness_rank, visible_at
               FROM task_queues
               WHERE is_ready = 1 AND namespace = ?1 AND queue = ?2 AND visible_at <= ?3
                 AND (?4 = '[]' OR activity_type IN (SELECT value FROM json_each(?4)))
                 AND (fairness_key IS NULL
                      OR fairness_key NOT IN (SELECT value FROM json_each(?5)))
               ORDER BY priority, fairness_rank, workflow_hash, run_id, event_id
               LIMIT ?6
           ),
           sized AS (
               SELECT first.workflow_hash, first.run_id, first.event_id, priority,
                      fairness_rank, visible_at,
                      -- Of those before it.
                      sum(COALESCE(length(event.payload), 0)) OVER (
                          ORDER BY priority, fairness_rank, first.workflow_hash, first.run_id,
                                   first.event_id
                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                      ) AS bytes
               FROM first
               LEFT JOIN history_events AS event
                   ON event.workflow_hash = first.workflow_hash
                  AND event.run_id = first.run_id
                  AND event.event_id = first.event_id
           )
           SELECT workflow_hash AS "workflow_hash!: i32", run_id AS "run_id!: Uuid",
                  event_id AS "event_id!: i64", visible_at AS "expired_at!: i64"
           FROM sized
           WHERE COALESCE(bytes, 0) < ?7
           ORDER BY priority, fairness_rank, workflow_hash, run_id, event_id"#,
        namespace,
        queue,
        now,
        types,
        except,
        claim.limit,
        bytes_max
    )
    .fetch_all(connection)
    .await
    .map_err(error::on(QUEUES))
}

async fn lease(connection: &mut SqliteConnection, claim: &TaskClaim, chosen: &str) -> Result<()> {
    let (worker, digest) = (claim.worker.as_str(), &claim.token_digest[..]);
    let (now, duration) = (claim.now.as_micros(), micros(claim.lease));
    sqlx::query!(
        "INSERT INTO task_queue_leases (
             workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
             fairness_key, fairness_rank, visible_at, task_expires_at, attempt,
             start_to_close_micros, heartbeat_micros, close_by, last_failure, details,
             lease_epoch, worker, token_digest, started_at, expires_at, lease_micros,
             cancel_requested, paused
         )
         SELECT workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
                fairness_key, fairness_rank, visible_at, expires_at, attempt,
                start_to_close_micros, heartbeat_micros, close_by, last_failure, details,
                lease_epoch + 1, ?2, ?3, ?4,
                -- `TaskAttempt::lease_until`, and nothing beyond the calendar.
                min(
                    ?4 + min(
                        ?5, COALESCE(heartbeat_micros, ?5), start_to_close_micros,
                        1000000000000000
                    ),
                    COALESCE(close_by, 9223372036854775807)
                ),
                ?5, 0, 0
         FROM task_queues
         WHERE (workflow_hash, run_id, event_id) IN (
             SELECT value ->> 0, unhex(value ->> 1), value ->> 2 FROM json_each(?1)
         )",
        chosen,
        worker,
        digest,
        now,
        duration
    )
    .execute(&mut *connection)
    .await
    .map_err(error::on(LEASES))?;
    sqlx::query!(
        "DELETE FROM task_queues
         WHERE (workflow_hash, run_id, event_id) IN (
             SELECT value ->> 0, unhex(value ->> 1), value ->> 2 FROM json_each(?)
         )",
        chosen
    )
    .execute(connection)
    .await
    .map_err(error::on(QUEUES))?;
    Ok(())
}

async fn read_claimed(
    connection: &mut SqliteConnection,
    chosen: &str,
) -> Result<Vec<Result<ClaimedTask>>> {
    let rows = sqlx::query!(
        r#"SELECT lease.workflow_hash AS "workflow_hash!: i32", lease.run_id AS "run_id!: Uuid",
                  lease.event_id AS "event_id!: i64", lease.namespace AS "namespace!: String", lease.queue AS "queue!: String",
                  lease.activity_type AS "activity_type!: String", lease.priority AS "priority!: i64",
                  lease.fairness_key AS "fairness_key?: String", lease.fairness_rank AS "fairness_rank!: i64",
                  lease.visible_at AS "visible_at!: i64", lease.task_expires_at AS "task_expires_at?: i64",
                  lease.attempt AS "attempt!: i64", lease.start_to_close_micros AS "start_to_close_micros!: i64",
                  lease.heartbeat_micros AS "heartbeat_micros?: i64", lease.close_by AS "close_by?: i64",
                  lease.last_failure AS "last_failure?: Value", lease.details AS "details?: Vec<u8>",
                  lease.lease_epoch AS "lease_epoch!: i64",
                  lease.worker AS "worker?: String", lease.token_digest AS "token_digest?: Vec<u8>",
                  lease.started_at AS "started_at?: i64", lease.expires_at AS "expires_at?: i64",
                  lease.lease_micros AS "lease_micros?: i64", lease.cancel_requested AS "cancel_requested?: bool",
                  lease.paused AS "paused?: bool",
                  execution.workflow_id AS "workflow_id?: String",
                  execution.workflow_type AS "workflow_type?: String",
                  event.event_time AS "scheduled_at?: i64",
                  event.event_type AS "event_type?: String",
                  event.attributes AS "attributes?: String", event.payload AS "payload?: Vec<u8>"
           FROM json_each(?) AS chosen
           CROSS JOIN task_queue_leases AS lease
               ON lease.workflow_hash = chosen.value ->> 0
              AND lease.run_id = unhex(chosen.value ->> 1)
              AND lease.event_id = chosen.value ->> 2
           LEFT JOIN workflow_executions AS execution
               ON execution.workflow_hash = lease.workflow_hash
              AND execution.run_id = lease.run_id
           LEFT JOIN history_events AS event
               ON event.workflow_hash = lease.workflow_hash
              AND event.run_id = lease.run_id
              AND event.event_id = lease.event_id
           ORDER BY chosen.key"#,
        chosen
    )
    .fetch_all(connection)
    .await
    .map_err(error::on(LEASES))?;
    let claimed = rows.into_iter().map(|row| {
        let activity = StoredActivity {
            workflow_id: row.workflow_id,
            workflow_type: row.workflow_type,
            scheduled_at: row.scheduled_at.map(Timestamp::from_micros),
            event_type: row.event_type,
            attributes: row.attributes,
            payload: row.payload,
        };
        let columns = TaskColumns {
            workflow_hash: row.workflow_hash,
            run_id: row.run_id,
            event_id: row.event_id,
            namespace: row.namespace,
            queue: row.queue,
            activity_type: row.activity_type,
            priority: row.priority,
            fairness_key: row.fairness_key,
            fairness_rank: row.fairness_rank,
            visible_at: row.visible_at,
            task_expires_at: row.task_expires_at,
            attempt: row.attempt,
            start_to_close_micros: row.start_to_close_micros,
            heartbeat_micros: row.heartbeat_micros,
            close_by: row.close_by,
            last_failure: row.last_failure,
            details: row.details,
            lease_epoch: row.lease_epoch,
            worker: row.worker,
            token_digest: row.token_digest,
            started_at: row.started_at,
            expires_at: row.expires_at,
            lease_micros: row.lease_micros,
            cancel_requested: row.cancel_requested,
            paused: row.paused,
        };
        columns.into_leased().and_then(|leased| activity.read(leased))
    });
    Ok(claimed.collect())
}
