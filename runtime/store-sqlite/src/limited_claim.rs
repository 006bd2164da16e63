//! Claims of queues with settings: the statements of one transaction.

use async_trait::async_trait;
use dacapo_model::ids::{EventId, RunId, RunKey, WorkflowHash};
use dacapo_model::queue_limits::QueueLimits;
use dacapo_model::task::FairnessKey;
use dacapo_model::time::Timestamp;
use dacapo_store::allowance::QueueUse;
use dacapo_store::error::Result;
use dacapo_store::limited_claim::{Candidate, LimitedClaiming};
use dacapo_store::queue_columns::{add_in_hand, add_rate, read_candidate};
use dacapo_store::queue_settings::QueueSettings;
use dacapo_store::record::RowName;
use dacapo_store::task::{ClaimedTask, TaskClaim, TaskKey};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::commit::rows;
use crate::error;
use crate::queue_settings::read_settings;
use crate::task_changes::key_columns;
use crate::task_claim::{lease_chosen, make_ready};

const QUEUES: &str = "task_queues";
const LEASES: &str = "task_queue_leases";
const RATES: &str = "task_queue_rates";

/// A claim in a transaction that holds the write lock.
pub(crate) struct Claiming<'a> {
    connection: &'a mut SqliteConnection,
    pub(crate) statements: u64,
}

impl<'a> Claiming<'a> {
    pub(crate) fn new(connection: &'a mut SqliteConnection) -> Self {
        Self { connection, statements: 0 }
    }
}

struct CandidateRow {
    workflow_hash: i32,
    run_id: Uuid,
    event_id: i64,
    fairness_key: Option<String>,
    bytes: i64,
}

impl CandidateRow {
    fn into_candidate(self) -> Result<Candidate> {
        let key = RunKey { hash: WorkflowHash(self.workflow_hash), run_id: RunId(self.run_id) };
        let row = RowName { table: QUEUES, key: &key };
        let event_id = EventId(row.unsigned("event_id", self.event_id)?);
        read_candidate((key, event_id), self.fairness_key, self.bytes)
    }
}

#[async_trait]
impl LimitedClaiming for Claiming<'_> {
    async fn lock_settings(&mut self, claim: &TaskClaim) -> Result<Option<QueueSettings>> {
        self.statements += 1;
        read_settings(self.connection, &claim.namespace, &claim.queue).await
    }

    async fn queue_use(&mut self, claim: &TaskClaim, limits: &QueueLimits) -> Result<QueueUse> {
        let (namespace, queue) = (claim.namespace.as_str(), claim.queue.as_str());
        let (used, statements) =
            queue_use(self.connection, (namespace, queue), limits, claim.now).await?;
        self.statements += statements;
        Ok(used)
    }

    async fn first_waiting(&mut self, claim: &TaskClaim, limit: u32) -> Result<Vec<Candidate>> {
        self.statements += 2;
        make_ready(self.connection, claim).await?;
        let (namespace, queue) = (claim.namespace.as_str(), claim.queue.as_str());
        let types = rows(claim.activity_types.iter());
        let now = claim.now.as_micros();
        sqlx::query_as!(
            CandidateRow,
            r#"WITH first AS MATERIALIZED (
                   SELECT workflow_hash, run_id, event_id, fairness_key, priority, fairness_rank
                   FROM task_queues
                   WHERE is_ready = 1 AND namespace = ?1 AND queue = ?2 AND visible_at <= ?3
                     AND (?4 = '[]' OR activity_type IN (SELECT value FROM json_each(?4)))
                   ORDER BY priority, fairness_rank, workflow_hash, run_id, event_id
                   LIMIT ?5
               )
               SELECT first.workflow_hash AS "workflow_hash!: i32", first.run_id AS "run_id!: Uuid",
                      first.event_id AS "event_id!: i64", fairness_key AS "fairness_key?: String",
                      COALESCE(length(event.payload), 0) AS "bytes!: i64"
               FROM first
               LEFT JOIN history_events AS event
                   ON event.workflow_hash = first.workflow_hash
                  AND event.run_id = first.run_id
                  AND event.event_id = first.event_id
               ORDER BY priority, fairness_rank, first.workflow_hash, first.run_id, first.event_id"#,
            namespace,
            queue,
            now,
            types,
            limit
        )
        .fetch_all(&mut *self.connection)
        .await
        .map_err(error::on(QUEUES))?
        .into_iter()
        .map(CandidateRow::into_candidate)
        .collect()
    }

    async fn first_waiting_by_key(
        &mut self,
        claim: &TaskClaim,
        per_key: u32,
        limit: u32,
    ) -> Result<Vec<Candidate>> {
        self.statements += 1;
        let (namespace, queue) = (claim.namespace.as_str(), claim.queue.as_str());
        let types = rows(claim.activity_types.iter());
        let except = rows(claim.except_keys.iter());
        let now = claim.now.as_micros();
        // From one key to the next, by one step in the index.
        sqlx::query_as!(
            CandidateRow,
            r#"WITH RECURSIVE keys (name) AS (
                   SELECT (
                       SELECT fairness_key
                       FROM task_queues
                       WHERE is_ready = 1 AND fairness_key IS NOT NULL
                         AND namespace = ?1 AND queue = ?2
                       ORDER BY fairness_key
                       LIMIT 1
                   )
                   UNION ALL
                   SELECT (
                       SELECT fairness_key
                       FROM task_queues
                       WHERE is_ready = 1 AND fairness_key IS NOT NULL
                         AND namespace = ?1 AND queue = ?2 AND fairness_key > keys.name
                       ORDER BY fairness_key
                       LIMIT 1
                   )
                   FROM keys
                   WHERE keys.name IS NOT NULL
               ),
               first AS MATERIALIZED (
                   SELECT task.workflow_hash, task.run_id, task.event_id, task.fairness_key,
                          task.priority, task.fairness_rank
                   FROM keys
                   CROSS JOIN task_queues AS task
                   WHERE keys.name IS NOT NULL
                     AND keys.name NOT IN (SELECT value FROM json_each(?5))
                     AND task.rowid IN (
                         SELECT rowid
                         FROM task_queues
                         WHERE is_ready = 1 AND fairness_key = keys.name
                           AND namespace = ?1 AND queue = ?2 AND visible_at <= ?3
                           AND (?4 = '[]' OR activity_type IN (SELECT value FROM json_each(?4)))
                         ORDER BY priority, fairness_rank, workflow_hash, run_id, event_id
                         LIMIT ?6
                     )
                   ORDER BY task.priority, task.fairness_rank, task.workflow_hash, task.run_id,
                            task.event_id
                   LIMIT ?7
               )
               SELECT first.workflow_hash AS "workflow_hash!: i32", first.run_id AS "run_id!: Uuid",
                      first.event_id AS "event_id!: i64", fairness_key AS "fairness_key?: String",
                      COALESCE(length(event.payload), 0) AS "bytes!: i64"
               FROM first
               LEFT JOIN history_events AS event
                   ON event.workflow_hash = first.workflow_hash
                  AND event.run_id = first.run_id
                  AND event.event_id = first.event_id
               ORDER BY priority, fairness_rank, first.workflow_hash, first.run_id, first.event_id"#,
            namespace,
            queue,
            now,
            types,
            except,
            per_key,
            limit
        )
        .fetch_all(&mut *self.connection)
        .await
        .map_err(error::on(QUEUES))?
        .into_iter()
        .map(CandidateRow::into_candidate)
        .collect()
    }

    async fn lease(&mut self, claim: &TaskClaim, tasks: &[TaskKey]) -> Result<Vec<ClaimedTask>> {
        self.statements += 3;
        let chosen = rows(tasks.iter().map(key_columns));
        let mut leased = lease_chosen(self.connection, claim, &chosen).await?;
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
        self.statements += 2;
        let (namespace, queue) = (claim.namespace.as_str(), claim.queue.as_str());
        let rates = rows(rates.iter().map(|(key, full_at)| {
            (key.as_ref().map_or("", FairnessKey::as_str), full_at.as_micros())
        }));
        sqlx::query!(
            "INSERT INTO task_queue_rates (namespace, queue, fairness_key, full_at)
             SELECT ?1, ?2, value ->> 0, value ->> 1 FROM json_each(?3) WHERE true
             ON CONFLICT (namespace, queue, fairness_key)
             DO UPDATE SET full_at = excluded.full_at",
            namespace,
            queue,
            rates
        )
        .execute(&mut *self.connection)
        .await
        .map_err(error::on(RATES))?;
        let now = claim.now.as_micros();
        sqlx::query!(
            "DELETE FROM task_queue_rates WHERE namespace = ? AND queue = ? AND full_at <= ?",
            namespace,
            queue,
            now
        )
        .execute(&mut *self.connection)
        .await
        .map_err(error::on(RATES))?;
        Ok(())
    }
}

/// What was handed out of a queue, as far as limits are concerned, and how many statements
/// it took to read that.
pub(crate) async fn queue_use(
    connection: &mut SqliteConnection,
    (namespace, queue): (&str, &str),
    limits: &QueueLimits,
    now: Timestamp,
) -> Result<(QueueUse, u64)> {
    let mut used = QueueUse::default();
    let mut statements = 0;
    if limits.concurrency.is_some() || limits.concurrency_per_key.is_some() {
        statements += 1;
        let in_hand = sqlx::query!(
            r#"SELECT fairness_key AS "fairness_key?: String", count(*) AS "tasks!: i64"
               FROM task_queue_leases
               WHERE namespace = ? AND queue = ?
               GROUP BY fairness_key"#,
            namespace,
            queue
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(error::on(LEASES))?;
        for row in in_hand {
            add_in_hand(&mut used, row.fairness_key, row.tasks)?;
        }
    }
    if limits.rate.is_some() || limits.rate_per_key.is_some() {
        statements += 1;
        let now = now.as_micros();
        let rates = sqlx::query!(
            "SELECT fairness_key, full_at
             FROM task_queue_rates
             WHERE namespace = ? AND queue = ? AND full_at > ?",
            namespace,
            queue,
            now
        )
        .fetch_all(connection)
        .await
        .map_err(error::on(RATES))?;
        for row in rates {
            add_rate(&mut used, row.fairness_key, Timestamp::from_micros(row.full_at))?;
        }
    }
    Ok((used, statements))
}
