//! Reading and leasing tasks.

use std::time::Duration;

use async_trait::async_trait;
use dacapo_model::ids::{EventId, NamespaceName, QueueName, RunId, RunKey, TypeName, WorkflowHash};
use dacapo_model::payload::Payload;
use dacapo_model::task::Priority;
use dacapo_model::time::Timestamp;
use dacapo_store::error::Result;
use dacapo_store::limited_claim::claim_limited;
use dacapo_store::record::RowName;
use dacapo_store::shard::HashRange;
use dacapo_store::task::{
    ClaimedTask, ExpiredTask, LeaseRenewal, LeasedTask, LimitedClaim, Line, QueueDepth, TaskClaim,
    TaskKey, TaskPlace, TaskStore, WaitingQueue,
};
use dacapo_store::task_columns::{distinct_renewals, renewed_in_order};
use serde_json::Value;
use uuid::Uuid;

use crate::commit::rows;
use crate::limited_claim::Claiming;
use crate::task_changes::key_columns;
use crate::task_claim::claim_tasks;
use crate::task_release::release_leases;
use crate::task_row::{ExpiredRow, TaskColumns};
use crate::{SqliteStore, error};

const QUEUES: &str = "task_queues";
const LEASES: &str = "task_queue_leases";

/// What is over in a table, which is put off: the same for tasks and for leases. The name of
/// a table is no argument of a statement.
macro_rules! put_off {
    ($store:expr, $table:literal, $ranges:expr, $now:expr, $postpone:expr, $limit:expr) => {{
        let until = $now.as_micros();
        // Most often nothing is, which needs no turn at writing.
        let any = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM "#
                + $table
                + r#" WHERE expires_at <= ?) AS "any!: bool""#,
            until
        )
        .fetch_one($store.statement())
        .await
        .map_err(error::on($table))?;
        if !any {
            return Ok(Vec::new());
        }
        let owned = rows($ranges.iter().map(|range| (range.from.0, range.to.0)));
        let next = $now.after($postpone).as_micros();
        $store.counters.add_statements(2);
        let mut writing = $store.begin().await?;
        let over = sqlx::query_as!(
            ExpiredRow,
            r#"SELECT workflow_hash AS "workflow_hash!: i32", run_id AS "run_id!: Uuid",
                      event_id AS "event_id!: i64", expires_at AS "expired_at!: i64"
               FROM "#
                + $table
                + r#"
               WHERE expires_at <= ?1
                 AND EXISTS (
                     SELECT 1
                     FROM json_each(?2) AS owned
                     WHERE workflow_hash BETWEEN owned.value ->> 0 AND owned.value ->> 1
                 )
               ORDER BY expires_at, workflow_hash, run_id, event_id
               LIMIT ?3"#,
            until,
            owned,
            $limit
        )
        .fetch_all(&mut *writing)
        .await
        .map_err(error::on($table))?;
        let keys = rows(over.iter().map(ExpiredRow::key));
        sqlx::query!(
            "UPDATE "
                + $table
                + "
             SET expires_at = ?1
             WHERE (workflow_hash, run_id, event_id) IN (
                 SELECT value ->> 0, unhex(value ->> 1), value ->> 2 FROM json_each(?2)
             )",
            next,
            keys
        )
        .execute(&mut *writing)
        .await
        .map_err(error::on($table))?;
        writing.commit().await?;
        over.into_iter().map(|row| row.into_expired($table)).collect()
    }};
}

#[async_trait]
impl TaskStore for SqliteStore {
    async fn claim_tasks(&self, claim: &TaskClaim) -> Result<Vec<ClaimedTask>> {
        let mut writing = self.begin().await?;
        match claim_tasks(&mut writing, claim).await {
            Ok((claimed, statements)) => {
                self.counters.add_statements(statements);
                writing.commit().await?;
                Ok(claimed)
            }
            Err(reason) => writing.refuse(reason).await,
        }
    }

    async fn claim_limited_tasks(&self, claim: &TaskClaim) -> Result<LimitedClaim> {
        let mut writing = self.begin().await?;
        let mut claiming = Claiming::new(&mut writing);
        let limited = claim_limited(&mut claiming, claim).await;
        self.counters.add_statements(claiming.statements);
        match limited {
            Ok(Some(limited)) => {
                writing.commit().await?;
                Ok(limited)
            }
            Ok(None) => {
                writing.commit().await?;
                Ok(LimitedClaim::unlimited(self.claim_tasks(claim).await?, claim))
            }
            Err(reason) => writing.refuse(reason).await,
        }
    }

    async fn renew_leases(
        &self,
        renewals: &[LeaseRenewal],
        now: Timestamp,
    ) -> Result<Vec<Option<LeasedTask>>> {
        let wanted = distinct_renewals(renewals);
        let wanted = rows(wanted.iter().map(|((task, digest), details)| {
            let details = details.map(Payload::as_bytes).map(hex::encode);
            (key_columns(task), hex::encode(digest), details)
        }));
        let now = now.as_micros();
        self.counters.add_statements(1);
        let mut writing = self.begin().await?;
        let renewed = sqlx::query_as!(
            TaskColumns,
            r#"UPDATE task_queue_leases
               SET details = COALESCE(unhex(wanted.value ->> 2), details),
                   -- `TaskAttempt::lease_until`, and nothing beyond the calendar.
                   expires_at = min(
                       ?2 + min(
                           lease_micros, COALESCE(heartbeat_micros, lease_micros),
                           1000000000000000
                       ),
                       started_at + min(start_to_close_micros, 1000000000000000),
                       COALESCE(close_by, 9223372036854775807)
                   )
               FROM json_each(?1) AS wanted
               WHERE workflow_hash = wanted.value ->> '$[0][0]'
                 AND run_id = unhex(wanted.value ->> '$[0][1]')
                 AND event_id = wanted.value ->> '$[0][2]'
                 AND token_digest = unhex(wanted.value ->> 1)
               RETURNING workflow_hash AS "workflow_hash!: i32", run_id AS "run_id!: Uuid",
                         event_id AS "event_id!: i64", namespace AS "namespace!: String", queue AS "queue!: String",
                         activity_type AS "activity_type!: String", priority AS "priority!: i64",
                         fairness_key AS "fairness_key?: String", fairness_rank AS "fairness_rank!: i64",
                         visible_at AS "visible_at!: i64", task_expires_at AS "task_expires_at?: i64",
                         attempt AS "attempt!: i64", start_to_close_micros AS "start_to_close_micros!: i64",
                         heartbeat_micros AS "heartbeat_micros?: i64", close_by AS "close_by?: i64",
                         last_failure AS "last_failure?: Value", details AS "details?: Vec<u8>",
                         lease_epoch AS "lease_epoch!: i64",
                         worker AS "worker?: String", token_digest AS "token_digest?: Vec<u8>",
                         started_at AS "started_at?: i64", expires_at AS "expires_at?: i64",
                         lease_micros AS "lease_micros?: i64", cancel_requested AS "cancel_requested?: bool",
                         paused AS "paused?: bool""#,
            wanted,
            now
        )
        .fetch_all(&mut *writing)
        .await
        .map_err(error::of_run(LEASES));
        match renewed {
            Ok(renewed) => {
                writing.commit().await?;
                let renewed = renewed.into_iter().map(TaskColumns::into_leased);
                Ok(renewed_in_order(renewals, renewed.collect::<Result<_>>()?))
            }
            Err(reason) => writing.refuse(reason).await,
        }
    }

    async fn release_leases(
        &self,
        leases: &[(TaskKey, [u8; 16])],
        now: Timestamp,
    ) -> Result<Vec<(NamespaceName, QueueName)>> {
        let mut writing = self.begin().await?;
        match release_leases(&mut writing, leases, now).await {
            Ok((queues, statements)) => {
                self.counters.add_statements(statements);
                writing.commit().await?;
                Ok(queues)
            }
            Err(reason) => writing.refuse(reason).await,
        }
    }

    async fn find_tasks(&self, tasks: &[TaskKey]) -> Result<Vec<TaskPlace>> {
        let wanted = rows(tasks.iter().map(key_columns));
        let rows = sqlx::query_as!(
            TaskColumns,
            r#"SELECT workflow_hash AS "workflow_hash!: i32", run_id AS "run_id!: Uuid",
                      event_id AS "event_id!: i64", namespace AS "namespace!: String", queue AS "queue!: String",
                      activity_type AS "activity_type!: String", priority AS "priority!: i64",
                      fairness_key AS "fairness_key?: String", fairness_rank AS "fairness_rank!: i64",
                      visible_at AS "visible_at!: i64", expires_at AS "task_expires_at?: i64",
                      attempt AS "attempt!: i64", start_to_close_micros AS "start_to_close_micros!: i64",
                      heartbeat_micros AS "heartbeat_micros?: i64", close_by AS "close_by?: i64",
                      last_failure AS "last_failure?: Value", details AS "details?: Vec<u8>",
                      lease_epoch AS "lease_epoch!: i64",
                      NULL AS "worker?: String", NULL AS "token_digest?: Vec<u8>",
                      NULL AS "started_at?: i64", NULL AS "expires_at?: i64", NULL AS "lease_micros?: i64",
                      NULL AS "cancel_requested?: bool", NULL AS "paused?: bool"
               FROM task_queues
               WHERE (workflow_hash, run_id, event_id) IN (
                   SELECT value ->> 0, unhex(value ->> 1), value ->> 2 FROM json_each(?1)
               )
               UNION ALL
               SELECT workflow_hash AS "workflow_hash!: i32", run_id AS "run_id!: Uuid",
                      event_id AS "event_id!: i64", namespace AS "namespace!: String", queue AS "queue!: String",
                      activity_type AS "activity_type!: String", priority AS "priority!: i64",
                      fairness_key AS "fairness_key?: String", fairness_rank AS "fairness_rank!: i64",
                      visible_at AS "visible_at!: i64", task_expires_at AS "task_expires_at?: i64",
                      attempt AS "attempt!: i64", start_to_close_micros AS "start_to_close_micros!: i64",
                      heartbeat_micros AS "heartbeat_micros?: i64", close_by AS "close_by?: i64",
                      last_failure AS "last_failure?: Value", details AS "details?: Vec<u8>",
                      lease_epoch AS "lease_epoch!: i64",
                      worker AS "worker?: String", token_digest AS "token_digest?: Vec<u8>",
                      started_at AS "started_at?: i64", expires_at AS "expires_at?: i64",
                      lease_micros AS "lease_micros?: i64", cancel_requested AS "cancel_requested?: bool",
                      paused AS "paused?: bool"
               FROM task_queue_leases
               WHERE (workflow_hash, run_id, event_id) IN (
                   SELECT value ->> 0, unhex(value ->> 1), value ->> 2 FROM json_each(?1)
               )"#,
            wanted
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::of_run(QUEUES))?;
        places(rows)
    }

    async fn run_tasks(&self, key: RunKey) -> Result<Vec<TaskPlace>> {
        let rows = sqlx::query_as!(
            TaskColumns,
            r#"SELECT workflow_hash AS "workflow_hash!: i32", run_id AS "run_id!: Uuid",
                      event_id AS "event_id!: i64", namespace AS "namespace!: String", queue AS "queue!: String",
                      activity_type AS "activity_type!: String", priority AS "priority!: i64",
                      fairness_key AS "fairness_key?: String", fairness_rank AS "fairness_rank!: i64",
                      visible_at AS "visible_at!: i64", expires_at AS "task_expires_at?: i64",
                      attempt AS "attempt!: i64", start_to_close_micros AS "start_to_close_micros!: i64",
                      heartbeat_micros AS "heartbeat_micros?: i64", close_by AS "close_by?: i64",
                      last_failure AS "last_failure?: Value", details AS "details?: Vec<u8>",
                      lease_epoch AS "lease_epoch!: i64",
                      NULL AS "worker?: String", NULL AS "token_digest?: Vec<u8>",
                      NULL AS "started_at?: i64", NULL AS "expires_at?: i64", NULL AS "lease_micros?: i64",
                      NULL AS "cancel_requested?: bool", NULL AS "paused?: bool"
               FROM task_queues
               WHERE workflow_hash = ?1 AND run_id = ?2
               UNION ALL
               SELECT workflow_hash AS "workflow_hash!: i32", run_id AS "run_id!: Uuid",
                      event_id AS "event_id!: i64", namespace AS "namespace!: String", queue AS "queue!: String",
                      activity_type AS "activity_type!: String", priority AS "priority!: i64",
                      fairness_key AS "fairness_key?: String", fairness_rank AS "fairness_rank!: i64",
                      visible_at AS "visible_at!: i64", task_expires_at AS "task_expires_at?: i64",
                      attempt AS "attempt!: i64", start_to_close_micros AS "start_to_close_micros!: i64",
                      heartbeat_micros AS "heartbeat_micros?: i64", close_by AS "close_by?: i64",
                      last_failure AS "last_failure?: Value", details AS "details?: Vec<u8>",
                      lease_epoch AS "lease_epoch!: i64",
                      worker AS "worker?: String", token_digest AS "token_digest?: Vec<u8>",
                      started_at AS "started_at?: i64", expires_at AS "expires_at?: i64",
                      lease_micros AS "lease_micros?: i64", cancel_requested AS "cancel_requested?: bool",
                      paused AS "paused?: bool"
               FROM task_queue_leases
               WHERE workflow_hash = ?1 AND run_id = ?2"#,
            key.hash.0,
            key.run_id.0
        )
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
        put_off!(self, "task_queue_leases", ranges, now, postpone, limit)
    }

    async fn expired_tasks(
        &self,
        ranges: &[HashRange],
        now: Timestamp,
        postpone: Duration,
        limit: u32,
    ) -> Result<Vec<ExpiredTask>> {
        put_off!(self, "task_queues", ranges, now, postpone, limit)
    }

    async fn waiting_queues(
        &self,
        until: Timestamp,
        namespace: Option<&NamespaceName>,
        after: Option<(NamespaceName, QueueName)>,
        limit: u32,
    ) -> Result<Vec<WaitingQueue>> {
        let until = until.as_micros();
        // No name is empty.
        let only = namespace.map(NamespaceName::as_str);
        let first = (only.unwrap_or_default(), "");
        let (namespace, queue) =
            after.as_ref().map_or(first, |(namespace, queue)| (namespace.as_str(), queue.as_str()));
        // From one queue to the next, by one step in each index.
        let rows = sqlx::query!(
            r#"WITH RECURSIVE queues (namespace, queue) AS (
                   SELECT ?2, ?3
                   UNION ALL
                   SELECT next.value ->> 0, next.value ->> 1
                   FROM queues AS last
                   CROSS JOIN json_each((
                       SELECT json_group_array(json_array(namespace, queue))
                       FROM (
                           SELECT namespace, queue
                           FROM (
                               SELECT namespace, queue
                               FROM task_queues
                               WHERE is_ready = 1
                                 AND (namespace, queue) > (last.namespace, last.queue)
                               ORDER BY namespace, queue
                               LIMIT 1
                           )
                           UNION ALL
                           SELECT namespace, queue
                           FROM (
                               SELECT namespace, queue
                               FROM task_queues
                               WHERE is_ready = 0
                                 AND (namespace, queue) > (last.namespace, last.queue)
                               ORDER BY namespace, queue
                               LIMIT 1
                           )
                           ORDER BY namespace, queue
                           LIMIT 1
                       )
                   )) AS next
                   WHERE ?5 IS NULL OR next.value ->> 0 = ?5
               ),
               first AS (
                   SELECT namespace, queue,
                          (
                              SELECT visible_at
                              FROM task_queues AS task
                              WHERE is_ready = 1
                                AND task.namespace = queues.namespace
                                AND task.queue = queues.queue
                              ORDER BY priority, fairness_rank, workflow_hash, run_id, event_id
                              LIMIT 1
                          ) AS ready,
                          (
                              SELECT visible_at
                              FROM task_queues AS task
                              WHERE is_ready = 0
                                AND task.namespace = queues.namespace
                                AND task.queue = queues.queue
                              ORDER BY visible_at
                              LIMIT 1
                          ) AS delayed
                   FROM queues
               )
               SELECT namespace AS "namespace!: String", queue AS "queue!: String",
                      COALESCE(min(ready, delayed), ready, delayed) AS "visible_at!: i64"
               FROM first
               WHERE COALESCE(min(ready, delayed), ready, delayed) < ?1
                 AND (namespace, queue) > (?2, ?3)
               LIMIT ?4"#,
            until,
            namespace,
            queue,
            limit,
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
                    visible_at: Timestamp::from_micros(row.visible_at),
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
        let (namespace, queue) = (namespace.as_str(), queue.as_str());
        let priority = i64::from(priority.number());
        let (looked_at, any, key) = match line {
            Line::Any => (1, true, None),
            Line::Of(_) => (10_000, false, line.key()),
        };
        sqlx::query_scalar!(
            r#"SELECT max(fairness_rank) AS "rank: i64"
               FROM (
                   SELECT fairness_rank, fairness_key
                   FROM task_queues
                   WHERE is_ready = 1 AND namespace = ?1 AND queue = ?2 AND priority = ?3
                   ORDER BY fairness_rank DESC, workflow_hash DESC, run_id DESC, event_id DESC
                   LIMIT ?4
               )
               WHERE ?5 OR fairness_key IS ?6"#,
            namespace,
            queue,
            priority,
            looked_at,
            any,
            key
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
        let (namespace, name, now) = (namespace.as_str(), queue.as_str(), now.as_micros());
        let rows = sqlx::query!(
            r#"SELECT IIF(visible_at <= ?3, 'ready', 'delayed') AS "state!: String",
                      IIF(visible_at <= ?3, priority, 0) AS "priority!: i64",
                      count(*) AS "tasks!: i64", min(visible_at) AS "oldest?: i64"
               FROM (
                   SELECT priority, visible_at
                   FROM task_queues
                   WHERE is_ready = 1 AND namespace = ?1 AND queue = ?2
                   UNION ALL
                   SELECT priority, visible_at
                   FROM task_queues
                   WHERE is_ready = 0 AND namespace = ?1 AND queue = ?2
               )
               GROUP BY 1, 2
               UNION ALL
               SELECT 'leased', 0, count(*), NULL
               FROM task_queue_leases
               WHERE namespace = ?1 AND queue = ?2
               ORDER BY 1, 2"#,
            namespace,
            name,
            now
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
                    let number = name.unsigned("priority", row.priority)?;
                    let priority =
                        Priority::new(number).map_err(|error| name.corrupt("priority", error))?;
                    depth.ready.push((priority, tasks, Timestamp::from_micros(oldest)));
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
        let name = RowName { table: QUEUES, key: queue };
        let (namespace, queue) = (namespace.as_str(), queue.as_str());
        let now = now.as_micros();
        let rows = sqlx::query!(
            r#"SELECT activity_type AS "activity_type!: String", count(*) AS "tasks!: i64"
               FROM (
                   SELECT activity_type
                   FROM task_queues
                   WHERE is_ready = 1 AND namespace = ?1 AND queue = ?2 AND visible_at <= ?3
                   ORDER BY priority, fairness_rank, workflow_hash, run_id, event_id
                   LIMIT 10000
               )
               GROUP BY activity_type
               ORDER BY activity_type
               LIMIT ?4"#,
            namespace,
            queue,
            now,
            limit
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(QUEUES))?;
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
        let (namespace, queue) = (namespace.as_str(), queue.as_str());
        let event_id = i64::try_from(event_id.0).unwrap_or(i64::MAX);
        let rows = sqlx::query_as!(
            TaskColumns,
            r#"SELECT workflow_hash AS "workflow_hash!: i32", run_id AS "run_id!: Uuid",
                      event_id AS "event_id!: i64", namespace AS "namespace!: String", queue AS "queue!: String",
                      activity_type AS "activity_type!: String", priority AS "priority!: i64",
                      fairness_key AS "fairness_key?: String", fairness_rank AS "fairness_rank!: i64",
                      visible_at AS "visible_at!: i64", task_expires_at AS "task_expires_at?: i64",
                      attempt AS "attempt!: i64", start_to_close_micros AS "start_to_close_micros!: i64",
                      heartbeat_micros AS "heartbeat_micros?: i64", close_by AS "close_by?: i64",
                      last_failure AS "last_failure?: Value", details AS "details?: Vec<u8>",
                      lease_epoch AS "lease_epoch!: i64",
                      worker AS "worker?: String", token_digest AS "token_digest?: Vec<u8>",
                      started_at AS "started_at?: i64", expires_at AS "expires_at?: i64",
                      lease_micros AS "lease_micros?: i64", cancel_requested AS "cancel_requested?: bool",
                      paused AS "paused?: bool"
               FROM task_queue_leases
               WHERE namespace = ?
                 AND queue = ?
                 AND (workflow_hash, run_id, event_id) > (?, ?, ?)
               ORDER BY workflow_hash, run_id, event_id
               LIMIT ?"#,
            namespace,
            queue,
            key.hash.0,
            key.run_id.0,
            event_id,
            limit
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(LEASES))?;
        rows.into_iter().map(TaskColumns::into_leased).collect()
    }
}

fn places(rows: Vec<TaskColumns>) -> Result<Vec<TaskPlace>> {
    let mut places = rows.into_iter().map(TaskColumns::into_place).collect::<Result<Vec<_>>>()?;
    places.sort_by_key(TaskPlace::task);
    Ok(places)
}
