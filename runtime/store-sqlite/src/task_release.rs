//! Giving leases back: the statements of one transaction.

use dacapo_model::ids::{NamespaceName, QueueName};
use dacapo_model::time::Timestamp;
use dacapo_model::timer::NEVER;
use dacapo_store::error::Result;
use dacapo_store::record::RowName;
use dacapo_store::task::TaskKey;
use sqlx::SqliteConnection;

use crate::commit::rows;
use crate::error;
use crate::task_changes::key_columns;

const QUEUES: &str = "task_queues";
const LEASES: &str = "task_queue_leases";

/// The queues that tasks went back to, and how many statements it took.
pub(crate) async fn release_leases(
    connection: &mut SqliteConnection,
    leases: &[(TaskKey, [u8; 16])],
    now: Timestamp,
) -> Result<(Vec<(NamespaceName, QueueName)>, u64)> {
    let wanted = rows(leases.iter().map(|(task, digest)| (key_columns(task), hex::encode(digest))));
    let (now, never) = (now.as_micros(), NEVER.as_micros());
    // `LeasedTask::put_back`: as they were, to be handed out at once.
    let released = sqlx::query!(
        r#"INSERT INTO task_queues (
               workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
               fairness_key, fairness_rank, visible_at, is_ready, expires_at, attempt,
               start_to_close_micros, heartbeat_micros, close_by, last_failure, details,
               lease_epoch
           )
           SELECT workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
                  fairness_key, fairness_rank, IIF(paused, ?3, ?2), 0, task_expires_at, attempt,
                  start_to_close_micros, heartbeat_micros, close_by, last_failure, details,
                  lease_epoch
           FROM json_each(?1) AS wanted
           CROSS JOIN task_queue_leases
           WHERE workflow_hash = wanted.value ->> '$[0][0]'
             AND run_id = unhex(wanted.value ->> '$[0][1]')
             AND event_id = wanted.value ->> '$[0][2]'
             AND token_digest = unhex(wanted.value ->> 1)
           RETURNING namespace AS "namespace!: String", queue AS "queue!: String""#,
        wanted,
        now,
        never
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(error::of_run(QUEUES))?;
    sqlx::query!(
        "DELETE FROM task_queue_leases
         WHERE (workflow_hash, run_id, event_id, token_digest) IN (
             SELECT value ->> '$[0][0]', unhex(value ->> '$[0][1]'), value ->> '$[0][2]',
                    unhex(value ->> 1)
             FROM json_each(?)
         )",
        wanted
    )
    .execute(connection)
    .await
    .map_err(error::of_run(LEASES))?;
    let mut queues = Vec::new();
    for row in released {
        let name = RowName { table: QUEUES, key: &row.queue };
        queues.push((name.parse("namespace", &row.namespace)?, name.parse("queue", &row.queue)?));
    }
    queues.sort_unstable();
    queues.dedup();
    Ok((queues, 2))
}
