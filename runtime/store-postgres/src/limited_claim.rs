//! Claims of queues with settings: the statements of one transaction.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use dacapo_model::ids::{EventId, RunId, RunKey, WorkflowHash};
use dacapo_model::queue_limits::QueueLimits;
use dacapo_model::task::FairnessKey;
use dacapo_model::time::Timestamp;
use dacapo_store::allowance::QueueUse;
use dacapo_store::error::Result;
use dacapo_store::limited_claim::{Candidate, LimitedClaiming, claim_limited};
use dacapo_store::queue_columns::{add_in_hand, add_rate, read_candidate};
use dacapo_store::queue_settings::QueueSettings;
use dacapo_store::record::RowName;
use dacapo_store::task::{ClaimedTask, LimitedClaim, TaskClaim, TaskKey};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::error;
use crate::queue_settings::lock_settings;
use crate::task::lease_tasks;
use crate::time::{from_database, to_database};

const QUEUES: &str = "task_queues";
const LEASES: &str = "task_queue_leases";
const RATES: &str = "task_queue_rates";

/// Rates that have recovered and that one claim removes.
const FORGOTTEN_MAX: i64 = 1_000;

struct Claiming<'a> {
    connection: &'a mut PgConnection,
    statements: u64,
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

/// None if nothing is set of the queue; and how many statements it took. Dropped without a
/// commit, the transaction rolls back.
pub(crate) async fn claim_limited_tasks(
    connection: &mut PgConnection,
    claim: &TaskClaim,
) -> Result<(Option<LimitedClaim>, u64)> {
    let mut transaction = connection.begin().await.map_err(error::on(QUEUES))?;
    // Its beginning and its end.
    let mut claiming = Claiming { connection: &mut transaction, statements: 2 };
    let limited = claim_limited(&mut claiming, claim).await?;
    let statements = claiming.statements;
    transaction.commit().await.map_err(error::on(QUEUES))?;
    Ok((limited, statements))
}

fn types(claim: &TaskClaim) -> Vec<&str> {
    claim.activity_types.iter().map(|name| name.as_str()).collect()
}

fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[async_trait]
impl LimitedClaiming for Claiming<'_> {
    async fn lock_settings(&mut self, claim: &TaskClaim) -> Result<Option<QueueSettings>> {
        self.statements += 1;
        lock_settings(self.connection, &claim.namespace, &claim.queue).await
    }

    async fn queue_use(&mut self, claim: &TaskClaim, limits: &QueueLimits) -> Result<QueueUse> {
        let (namespace, queue) = (claim.namespace.as_str(), claim.queue.as_str());
        let (used, statements) =
            queue_use(self.connection, (namespace, queue), limits, claim.now).await?;
        self.statements += statements;
        Ok(used)
    }

    async fn first_waiting(&mut self, claim: &TaskClaim, limit: u32) -> Result<Vec<Candidate>> {
        self.statements += 1;
        let types = types(claim);
        sqlx::query_as!(
            CandidateRow,
            r#"SELECT workflow_hash AS "workflow_hash!", run_id AS "run_id!",
                      event_id AS "event_id!", fairness_key, bytes AS "bytes!"
               FROM first_waiting_tasks($1, $2, $3, $4, $5)"#,
            claim.namespace.as_str(),
            claim.queue.as_str(),
            &types as _,
            to_database(claim.now),
            number(limit)
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
        let types = types(claim);
        let except: Vec<_> = claim.except_keys.iter().map(FairnessKey::as_str).collect();
        sqlx::query_as!(
            CandidateRow,
            r#"SELECT workflow_hash AS "workflow_hash!", run_id AS "run_id!",
                      event_id AS "event_id!", fairness_key, bytes AS "bytes!"
               FROM first_waiting_tasks_by_key($1, $2, $3, $4, $5, $6, $7)"#,
            claim.namespace.as_str(),
            claim.queue.as_str(),
            &types as _,
            &except as _,
            number(per_key),
            to_database(claim.now),
            number(limit)
        )
        .fetch_all(&mut *self.connection)
        .await
        .map_err(error::on(QUEUES))?
        .into_iter()
        .map(CandidateRow::into_candidate)
        .collect()
    }

    async fn lease(&mut self, claim: &TaskClaim, tasks: &[TaskKey]) -> Result<Vec<ClaimedTask>> {
        self.statements += 1;
        lease_tasks(self.connection, claim, tasks).await
    }

    async fn write_rates(
        &mut self,
        claim: &TaskClaim,
        rates: &[(Option<FairnessKey>, Timestamp)],
    ) -> Result<()> {
        self.statements += 2;
        let (namespace, queue) = (claim.namespace.as_str(), claim.queue.as_str());
        let keys: Vec<_> =
            rates.iter().map(|(key, _)| key.as_ref().map_or("", FairnessKey::as_str)).collect();
        let full_at: Vec<DateTime<Utc>> = rates.iter().map(|(_, at)| to_database(*at)).collect();
        sqlx::query!(
            "INSERT INTO task_queue_rates AS rate (namespace, queue, fairness_key, full_at)
             SELECT $1, $2, changed.fairness_key, changed.full_at
             FROM unnest($3::text[], $4::timestamptz[]) AS changed (fairness_key, full_at)
             ON CONFLICT (namespace, queue, fairness_key)
             DO UPDATE SET full_at = excluded.full_at",
            namespace,
            queue,
            &keys as _,
            &full_at
        )
        .execute(&mut *self.connection)
        .await
        .map_err(error::on(RATES))?;
        sqlx::query!(
            "DELETE FROM task_queue_rates AS rate
             USING (
                 SELECT old.fairness_key
                 FROM task_queue_rates AS old
                 WHERE old.namespace = $1 AND old.queue = $2 AND old.full_at <= $3
                 LIMIT $4
             ) AS old
             WHERE rate.namespace = $1
               AND rate.queue = $2
               AND rate.fairness_key = old.fairness_key",
            namespace,
            queue,
            to_database(claim.now),
            FORGOTTEN_MAX
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
    connection: &mut PgConnection,
    (namespace, queue): (&str, &str),
    limits: &QueueLimits,
    now: Timestamp,
) -> Result<(QueueUse, u64)> {
    let mut used = QueueUse::default();
    let mut statements = 0;
    if limits.concurrency.is_some() || limits.concurrency_per_key.is_some() {
        statements += 1;
        let rows = sqlx::query!(
            r#"SELECT fairness_key, count(*) AS "tasks!"
               FROM task_queue_leases
               WHERE namespace = $1 AND queue = $2
               GROUP BY fairness_key"#,
            namespace,
            queue
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(error::on(LEASES))?;
        for row in rows {
            add_in_hand(&mut used, row.fairness_key, row.tasks)?;
        }
    }
    if limits.rate.is_some() || limits.rate_per_key.is_some() {
        statements += 1;
        let rows = sqlx::query!(
            "SELECT fairness_key, full_at
             FROM task_queue_rates
             WHERE namespace = $1 AND queue = $2 AND full_at > $3",
            namespace,
            queue,
            to_database(now)
        )
        .fetch_all(connection)
        .await
        .map_err(error::on(RATES))?;
        for row in rows {
            add_rate(&mut used, row.fairness_key, from_database(row.full_at))?;
        }
    }
    Ok((used, statements))
}
