//! Reading and leasing tasks.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use dacapo_model::ids::{EventId, NamespaceName, QueueName, RunId, RunKey, TypeName, WorkflowHash};
use dacapo_model::payload::Payload;
use dacapo_model::task::{FairnessKey, Priority};
use dacapo_model::time::Timestamp;
use dacapo_model::timer::NEVER;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::record::RowName;
use dacapo_store::shard::HashRange;
use dacapo_store::task::{
    ClaimedTask, ExpiredTask, LeaseRenewal, LeasedTask, LimitedClaim, Line, QueueDepth, TaskClaim,
    TaskKey, TaskPlace, TaskStore, WaitingQueue,
};
use dacapo_store::task_columns::{
    StoredActivity, StoredLease, StoredTask, distinct_renewals, micros, read_expired,
    renewed_in_order,
};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;
use uuid::Uuid;

use crate::limited_claim::claim_limited_tasks;
use crate::time::{from_database, to_database};
use crate::{PostgresStore, error};

const QUEUES: &str = "task_queues";
const LEASES: &str = "task_queue_leases";

/// Of either table; what only leases have is not there for a task that waits.
struct TaskColumns {
    workflow_hash: i32,
    run_id: Uuid,
    event_id: i64,
    namespace: String,
    queue: String,
    activity_type: String,
    priority: i16,
    fairness_key: Option<String>,
    fairness_rank: i64,
    visible_at: DateTime<Utc>,
    task_expires_at: Option<DateTime<Utc>>,
    attempt: i64,
    start_to_close_micros: i64,
    heartbeat_micros: Option<i64>,
    close_by: Option<DateTime<Utc>>,
    last_failure: Option<Value>,
    details: Option<Vec<u8>>,
    lease_epoch: i64,
    worker: Option<String>,
    token_digest: Option<Vec<u8>>,
    started_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    lease_micros: Option<i64>,
    cancel_requested: Option<bool>,
    paused: Option<bool>,
}

impl TaskColumns {
    fn into_parts(self) -> (StoredTask, Option<StoredLease>) {
        let lease = self.worker.and_then(|worker| {
            Some(StoredLease {
                worker,
                token_digest: self.token_digest?,
                started_at: from_database(self.started_at?),
                expires_at: from_database(self.expires_at?),
                lease_micros: self.lease_micros?,
                cancel_requested: self.cancel_requested?,
                paused: self.paused?,
            })
        });
        let task = StoredTask {
            workflow_hash: self.workflow_hash,
            run_id: self.run_id,
            event_id: self.event_id,
            namespace: self.namespace,
            queue: self.queue,
            activity_type: self.activity_type,
            priority: i64::from(self.priority),
            fairness_key: self.fairness_key,
            fairness_rank: self.fairness_rank,
            visible_at: from_database(self.visible_at),
            expires_at: self.task_expires_at.map(from_database),
            attempt: self.attempt,
            start_to_close_micros: self.start_to_close_micros,
            heartbeat_micros: self.heartbeat_micros,
            close_by: self.close_by.map(from_database),
            last_failure: self.last_failure,
            details: self.details,
            lease_epoch: self.lease_epoch,
        };
        (task, lease)
    }

    fn into_place(self) -> Result<TaskPlace> {
        let (task, lease) = self.into_parts();
        task.read_place(lease)
    }

    /// Of a row of `task_queue_leases`.
    fn into_leased(self) -> Result<LeasedTask> {
        let key = self.run_id;
        match self.into_place()? {
            TaskPlace::Hand(leased) => Ok(leased),
            TaskPlace::Queue(_) => {
                Err(RowName { table: LEASES, key: &key }.corrupt("worker", "missing"))
            }
        }
    }
}

/// Of a lease that was just given.
struct ClaimedColumns {
    workflow_hash: i32,
    run_id: Uuid,
    event_id: i64,
    namespace: String,
    queue: String,
    activity_type: String,
    priority: i16,
    fairness_key: Option<String>,
    fairness_rank: i64,
    visible_at: DateTime<Utc>,
    task_expires_at: Option<DateTime<Utc>>,
    attempt: i64,
    start_to_close_micros: i64,
    heartbeat_micros: Option<i64>,
    close_by: Option<DateTime<Utc>>,
    last_failure: Option<Value>,
    details: Option<Vec<u8>>,
    lease_epoch: i64,
    worker: String,
    token_digest: Vec<u8>,
    started_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    lease_micros: i64,
    cancel_requested: bool,
    paused: bool,
    workflow_id: Option<String>,
    workflow_type: Option<String>,
    scheduled_at: Option<DateTime<Utc>>,
    event_type: Option<String>,
    attributes: Option<String>,
    payload: Option<Vec<u8>>,
}

impl ClaimedColumns {
    fn into_claimed(self) -> Result<ClaimedTask> {
        let activity = StoredActivity {
            workflow_id: self.workflow_id,
            workflow_type: self.workflow_type,
            scheduled_at: self.scheduled_at.map(Timestamp::from),
            event_type: self.event_type,
            attributes: self.attributes,
            payload: self.payload,
        };
        let columns = TaskColumns {
            workflow_hash: self.workflow_hash,
            run_id: self.run_id,
            event_id: self.event_id,
            namespace: self.namespace,
            queue: self.queue,
            activity_type: self.activity_type,
            priority: self.priority,
            fairness_key: self.fairness_key,
            fairness_rank: self.fairness_rank,
            visible_at: self.visible_at,
            task_expires_at: self.task_expires_at,
            attempt: self.attempt,
            start_to_close_micros: self.start_to_close_micros,
            heartbeat_micros: self.heartbeat_micros,
            close_by: self.close_by,
            last_failure: self.last_failure,
            details: self.details,
            lease_epoch: self.lease_epoch,
            worker: Some(self.worker),
            token_digest: Some(self.token_digest),
            started_at: Some(self.started_at),
            expires_at: Some(self.expires_at),
            lease_micros: Some(self.lease_micros),
            cancel_requested: Some(self.cancel_requested),
            paused: Some(self.paused),
        };
        activity.read(columns.into_leased()?)
    }
}

/// What can be handed out of what was leased.
fn claimed(rows: Vec<ClaimedColumns>) -> Vec<ClaimedTask> {
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        match row.into_claimed() {
            Ok(task) => claimed.push(task),
            // Its run is told when the lease is over. The others are handed out.
            Err(error) => tracing::error!(%error, "a task can't be handed out"),
        }
    }
    claimed
}

struct ExpiredRow {
    workflow_hash: i32,
    run_id: Uuid,
    event_id: i64,
    expired_at: DateTime<Utc>,
}

impl ExpiredRow {
    fn into_expired(self, table: &'static str) -> Result<ExpiredTask> {
        let key = (self.workflow_hash, self.run_id, self.event_id);
        read_expired(table, key, Timestamp::from(self.expired_at))
    }
}

#[async_trait]
impl TaskStore for PostgresStore {
    async fn claim_tasks(&self, claim: &TaskClaim) -> Result<Vec<ClaimedTask>> {
        self.lineage.check()?;
        let types: Vec<_> = claim.activity_types.iter().map(|name| name.as_str()).collect();
        let except: Vec<_> = claim.except_keys.iter().map(FairnessKey::as_str).collect();
        let rows = sqlx::query_file_as!(
            ClaimedColumns,
            "queries/claim_tasks.sql",
            claim.namespace.as_str(),
            claim.queue.as_str(),
            &types as _,
            &except as _,
            claim.worker.as_str(),
            &claim.token_digest[..],
            micros(claim.lease),
            to_database(claim.now),
            i32::try_from(claim.limit).unwrap_or(i32::MAX),
            i64::try_from(claim.bytes_max).unwrap_or(i64::MAX)
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(QUEUES));
        Ok(claimed(self.lineage.judge(rows)?))
    }

    async fn claim_limited_tasks(&self, claim: &TaskClaim) -> Result<LimitedClaim> {
        self.lineage.check()?;
        let mut session = self.sessions.take().await.map_err(error::on(QUEUES))?;
        let limited = claim_limited_tasks(&mut session, claim);
        let outcome = self.patience.within(limited).await;
        if !matches!(outcome, Err(StoreError::Unavailable { .. })) {
            session.give_back();
        }
        let (limited, statements) = self.lineage.judge(outcome)?;
        self.counters.add_statements(statements);
        match limited {
            Some(limited) => Ok(limited),
            None => Ok(LimitedClaim::unlimited(self.claim_tasks(claim).await?, claim)),
        }
    }

    async fn renew_leases(
        &self,
        renewals: &[LeaseRenewal],
        now: Timestamp,
    ) -> Result<Vec<Option<LeasedTask>>> {
        self.lineage.check()?;
        let wanted = distinct_renewals(renewals);
        let (hashes, run_ids, event_ids) = columns(wanted.keys().map(|(task, _)| *task));
        let digests: Vec<_> = wanted.keys().map(|(_, digest)| &digest[..]).collect();
        let details: Vec<_> = wanted.values().map(|it| it.map(Payload::as_bytes)).collect();
        let rows = sqlx::query_file_as!(
            TaskColumns,
            "queries/renew_leases.sql",
            &hashes,
            &run_ids,
            &event_ids,
            &digests as _,
            &details as _,
            to_database(now)
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::of_run(LEASES));
        let rows = self.lineage.judge(rows)?;
        let renewed = rows.into_iter().map(TaskColumns::into_leased).collect::<Result<Vec<_>>>()?;
        Ok(renewed_in_order(renewals, renewed))
    }

    async fn release_leases(
        &self,
        leases: &[(TaskKey, [u8; 16])],
        now: Timestamp,
    ) -> Result<Vec<(NamespaceName, QueueName)>> {
        let (hashes, run_ids, event_ids) = columns(leases.iter().map(|(task, _)| *task));
        let digests: Vec<_> = leases.iter().map(|(_, digest)| &digest[..]).collect();
        let rows = sqlx::query_file!(
            "queries/release_leases.sql",
            &hashes,
            &run_ids,
            &event_ids,
            &digests as _,
            to_database(now),
            to_database(NEVER)
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::of_run(LEASES))?;
        let queues = rows.into_iter().map(|row| {
            let name = RowName { table: LEASES, key: &row.queue };
            Ok((name.parse("namespace", &row.namespace)?, name.parse("queue", &row.queue)?))
        });
        queues.collect()
    }

    async fn find_tasks(&self, tasks: &[TaskKey]) -> Result<Vec<TaskPlace>> {
        let mut tasks = tasks.to_vec();
        tasks.sort_unstable();
        tasks.dedup();
        let (hashes, run_ids, event_ids) = columns(tasks.into_iter());
        let rows = sqlx::query_file_as!(
            TaskColumns,
            "queries/find_tasks.sql",
            &hashes,
            &run_ids,
            &event_ids
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::of_run(QUEUES))?;
        places(rows)
    }

    async fn run_tasks(&self, key: RunKey) -> Result<Vec<TaskPlace>> {
        let rows =
            sqlx::query_file_as!(TaskColumns, "queries/run_tasks.sql", key.hash.0, key.run_id.0)
                .fetch_all(self.statement())
                .await
                .map_err(error::of_run(QUEUES))?;
        places(rows)
    }

    async fn expired_leases(
        &self,
        ranges: &[HashRange],
        now: Timestamp,
        postpone: Duration,
        limit: u32,
    ) -> Result<Vec<ExpiredTask>> {
        self.lineage.check()?;
        let (first, last) = bounds(ranges);
        let rows = sqlx::query_file_as!(
            ExpiredRow,
            "queries/expired_leases.sql",
            first.as_deref(),
            last.as_deref(),
            interval(postpone),
            i64::from(limit),
            to_database(now)
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(LEASES));
        let rows = self.lineage.judge(rows)?;
        rows.into_iter().map(|row| row.into_expired(LEASES)).collect()
    }

    async fn expired_tasks(
        &self,
        ranges: &[HashRange],
        now: Timestamp,
        postpone: Duration,
        limit: u32,
    ) -> Result<Vec<ExpiredTask>> {
        self.lineage.check()?;
        let (first, last) = bounds(ranges);
        let rows = sqlx::query_file_as!(
            ExpiredRow,
            "queries/expired_tasks.sql",
            first.as_deref(),
            last.as_deref(),
            interval(postpone),
            i64::from(limit),
            to_database(now)
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(QUEUES));
        let rows = self.lineage.judge(rows)?;
        rows.into_iter().map(|row| row.into_expired(QUEUES)).collect()
    }

    async fn waiting_queues(
        &self,
        until: Timestamp,
        namespace: Option<&NamespaceName>,
        after: Option<(NamespaceName, QueueName)>,
        limit: u32,
    ) -> Result<Vec<WaitingQueue>> {
        // No name is empty.
        let only = namespace.map(NamespaceName::as_str);
        let first = (only.unwrap_or_default(), "");
        let (namespace, queue) =
            after.as_ref().map_or(first, |(namespace, queue)| (namespace.as_str(), queue.as_str()));
        let rows = sqlx::query_file!(
            "queries/waiting_queues.sql",
            to_database(until),
            namespace,
            queue,
            i64::from(limit),
            only
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(QUEUES))?;
        rows.into_iter()
            .map(|row| {
                let name = RowName { table: QUEUES, key: &row.queue };
                Ok(WaitingQueue {
                    namespace: name.parse("namespace", &row.namespace)?,
                    queue: name.parse("queue", &row.queue)?,
                    visible_at: from_database(row.visible_at),
                })
            })
            .collect()
    }

    async fn last_rank(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        priority: Priority,
        line: Line<'_>,
    ) -> Result<Option<i64>> {
        sqlx::query_file_scalar!(
            "queries/last_rank.sql",
            namespace.as_str(),
            queue.as_str(),
            i16::from(priority.number()),
            matches!(line, Line::Any),
            line.key()
        )
        .fetch_one(self.statement())
        .await
        .map_err(error::on(QUEUES))
    }

    async fn queue_depth(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        now: Timestamp,
    ) -> Result<QueueDepth> {
        let rows = sqlx::query_file!(
            "queries/queue_depth.sql",
            namespace.as_str(),
            queue.as_str(),
            to_database(now)
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(QUEUES))?;
        let mut depth = QueueDepth::default();
        let name = RowName { table: QUEUES, key: queue };
        for row in rows {
            let tasks = name.unsigned("event_id", row.tasks)?;
            match (row.state.as_str(), row.oldest) {
                ("ready", Some(oldest)) => {
                    let number = name.unsigned("priority", i64::from(row.priority))?;
                    let priority =
                        Priority::new(number).map_err(|error| name.corrupt("priority", error))?;
                    depth.ready.push((priority, tasks, from_database(oldest)));
                }
                ("leased", _) => depth.leased = tasks,
                _ => depth.delayed = tasks,
            }
        }
        Ok(depth)
    }

    async fn waiting_types(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(TypeName, u64)>> {
        let rows = sqlx::query_file!(
            "queries/waiting_types.sql",
            namespace.as_str(),
            queue.as_str(),
            to_database(now),
            i64::from(limit)
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(QUEUES))?;
        let name = RowName { table: QUEUES, key: queue };
        let read = |activity_type: String, tasks| {
            Ok((name.parse("activity_type", &activity_type)?, name.unsigned("event_id", tasks)?))
        };
        rows.into_iter().map(|row| read(row.activity_type, row.tasks)).collect()
    }

    async fn leased_tasks(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        after: Option<TaskKey>,
        limit: u32,
    ) -> Result<Vec<LeasedTask>> {
        // No run has the nil id.
        let first = RunKey { hash: WorkflowHash(i32::MIN), run_id: RunId(Uuid::nil()) };
        let (key, event_id) = after.unwrap_or((first, EventId(0)));
        let rows = sqlx::query_file_as!(
            TaskColumns,
            "queries/leased_tasks.sql",
            namespace.as_str(),
            queue.as_str(),
            key.hash.0,
            key.run_id.0,
            i64::try_from(event_id.0).unwrap_or(i64::MAX),
            i64::from(limit)
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(LEASES))?;
        rows.into_iter().map(TaskColumns::into_leased).collect()
    }
}

/// Leases those of the tasks that are still there and that nobody is just changing.
pub(crate) async fn lease_tasks(
    connection: &mut PgConnection,
    claim: &TaskClaim,
    tasks: &[TaskKey],
) -> Result<Vec<ClaimedTask>> {
    let (hashes, run_ids, event_ids) = columns(tasks.iter().copied());
    let rows = sqlx::query_file_as!(
        ClaimedColumns,
        "queries/lease_tasks.sql",
        &hashes,
        &run_ids,
        &event_ids,
        claim.worker.as_str(),
        &claim.token_digest[..],
        micros(claim.lease),
        to_database(claim.now)
    )
    .fetch_all(connection)
    .await
    .map_err(error::on(QUEUES))?;
    Ok(claimed(rows))
}

fn places(rows: Vec<TaskColumns>) -> Result<Vec<TaskPlace>> {
    let mut places = rows.into_iter().map(TaskColumns::into_place).collect::<Result<Vec<_>>>()?;
    places.sort_by_key(TaskPlace::task);
    Ok(places)
}

/// Keys as the arrays that a statement takes. No event is further than a database can count.
fn columns(tasks: impl Iterator<Item = TaskKey>) -> (Vec<i32>, Vec<Uuid>, Vec<i64>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for (key, event_id) in tasks {
        columns.0.push(key.hash.0);
        columns.1.push(key.run_id.0);
        columns.2.push(i64::try_from(event_id.0).unwrap_or(i64::MAX));
    }
    columns
}

/// The first and the last hash of each range; none for all.
fn bounds(ranges: &[HashRange]) -> (Option<Vec<i32>>, Option<Vec<i32>>) {
    if ranges == [HashRange::ALL] {
        return (None, None);
    }
    let (first, last) = ranges.iter().map(|range| (range.from.0, range.to.0)).unzip();
    (Some(first), Some(last))
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: micros(duration) }
}
