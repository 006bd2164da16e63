//! Reading summaries of runs.

use async_trait::async_trait;
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::{NamespaceName, RequestId, RunId, RunKey, WorkflowHash, WorkflowId};
use dacapo_model::time::Timestamp;
use dacapo_store::count::{CountBy, ExecutionCount};
use dacapo_store::error::Result;
use dacapo_store::execution::{ExecutionCursor, ExecutionFilter, ExecutionStore, ListedExecution};
use dacapo_store::record::RowName;
use dacapo_store::shard::HashRange;
use serde_json::Value;
use uuid::Uuid;

use crate::{SqliteStore, error};

pub(crate) const TABLE: &str = "workflow_executions";

/// Those of a row, for statements that are put together.
pub(crate) const COLUMNS: &str = "workflow_hash, run_id, namespace, workflow_id, workflow_type, \
                                  module_digest, request_id, status, blocked, memo, \
                                  search_attributes, started_at, closed_at, run_number, \
                                  execution_time, parent_workflow_id, parent_run_id, \
                                  root_workflow_id, root_run_id, history_length, \
                                  history_bytes, task_queue, \
                                  (SELECT json_group_array(tag) FROM workflow_tags AS tagged \
                                  WHERE tagged.workflow_hash = workflow_executions.workflow_hash \
                                  AND tagged.run_id = workflow_executions.run_id) AS tags";

#[derive(sqlx::FromRow)]
pub(crate) struct ExecutionRow {
    workflow_hash: i32,
    run_id: Uuid,
    namespace: String,
    workflow_id: String,
    workflow_type: String,
    module_digest: Vec<u8>,
    request_id: Option<String>,
    status: String,
    blocked: Option<Value>,
    memo: Option<Value>,
    search_attributes: Option<Value>,
    started_at: i64,
    closed_at: Option<i64>,
    run_number: i64,
    execution_time: Option<i64>,
    parent_workflow_id: Option<String>,
    parent_run_id: Option<Uuid>,
    root_workflow_id: Option<String>,
    root_run_id: Option<Uuid>,
    history_length: Option<i64>,
    history_bytes: Option<i64>,
    task_queue: Option<String>,
    tags: String,
}

impl ExecutionRow {
    fn into_execution(self) -> Result<Execution> {
        let row = RowName { table: TABLE, key: &self.run_id };
        let status = ExecutionStatus::parse(&self.status)
            .ok_or_else(|| row.corrupt("status", format!("{:?} is no status", self.status)))?;
        Ok(Execution {
            key: RunKey { hash: WorkflowHash(self.workflow_hash), run_id: RunId(self.run_id) },
            namespace: row.parse("namespace", &self.namespace)?,
            workflow_id: row.parse("workflow_id", &self.workflow_id)?,
            workflow_type: row.parse("workflow_type", &self.workflow_type)?,
            module_digest: row.digest("module_digest", &self.module_digest)?,
            request_id: self.request_id.map(|id| row.parse("request_id", &id)).transpose()?,
            status,
            blocked: self.blocked.map(|report| row.json("blocked", report)).transpose()?,
            attributes: row.attributes(
                self.memo,
                self.search_attributes,
                row.json_text::<Vec<String>>("tags", &self.tags)?,
            )?,
            started_at: Timestamp::from_micros(self.started_at),
            closed_at: self.closed_at.map(Timestamp::from_micros),
            delayed_until: self.execution_time.map(Timestamp::from_micros),
            parent: row.parent(
                self.parent_workflow_id.zip(self.parent_run_id),
                self.root_workflow_id.zip(self.root_run_id),
            )?,
            history_size: row.history_size(self.history_length, self.history_bytes)?,
            task_queue: self.task_queue.map(|name| row.parse("task_queue", &name)).transpose()?,
        })
    }

    pub(crate) fn into_listed(self) -> Result<ListedExecution> {
        let row = RowName { table: TABLE, key: &self.run_id };
        let run_number = row.unsigned("run_number", self.run_number)?;
        Ok(ListedExecution { run_number, execution: self.into_execution()? })
    }
}

/// A statement that reads runs: what comes after the columns, and its arguments.
macro_rules! select_executions {
    ($from:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            ExecutionRow,
            r#"SELECT workflow_hash AS "workflow_hash!: i32", run_id AS "run_id!: Uuid",
                      namespace AS "namespace!: String", workflow_id AS "workflow_id!: String",
                      workflow_type AS "workflow_type!: String",
                      module_digest AS "module_digest!: Vec<u8>",
                      request_id AS "request_id?: String", status AS "status!: String",
                      blocked AS "blocked?: Value", memo AS "memo?: Value",
                      search_attributes AS "search_attributes?: Value",
                      started_at AS "started_at!: i64", closed_at AS "closed_at?: i64",
                      run_number AS "run_number!: i64",
                      execution_time AS "execution_time?: i64",
                      parent_workflow_id AS "parent_workflow_id?: String",
                      parent_run_id AS "parent_run_id?: Uuid",
                      root_workflow_id AS "root_workflow_id?: String",
                      root_run_id AS "root_run_id?: Uuid",
                      history_length AS "history_length?: i64",
                      history_bytes AS "history_bytes?: i64", task_queue AS "task_queue?: String",
                      (
                          SELECT json_group_array(tag)
                          FROM workflow_tags AS tagged
                          WHERE tagged.workflow_hash = workflow_executions.workflow_hash
                            AND tagged.run_id = workflow_executions.run_id
                      ) AS "tags!: String"
               "# + $from
            $(, $argument)*
        )
    };
}

#[async_trait]
impl ExecutionStore for SqliteStore {
    async fn find_execution(
        &self,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<Option<Execution>> {
        let hash = WorkflowHash::of(namespace, workflow_id).0;
        let (namespace, workflow_id) = (namespace.as_str(), workflow_id.as_str());
        let row = match run_id {
            Some(run_id) => {
                select_executions!(
                    "FROM workflow_executions
                     WHERE workflow_hash = ?1 AND run_id = ?4 AND namespace = ?2 AND workflow_id = ?3",
                    hash,
                    namespace,
                    workflow_id,
                    run_id.0
                )
                .fetch_optional(self.statement())
                .await
            }
            None => {
                select_executions!(
                    "FROM (
                         SELECT 1 AS choice, *
                         FROM workflow_executions
                         WHERE workflow_hash = ?1 AND namespace = ?2 AND workflow_id = ?3
                           AND status IN ('running', 'blocked')
                         UNION ALL
                         SELECT *
                         FROM (
                             SELECT 2 AS choice, *
                             FROM workflow_executions
                             WHERE workflow_hash = ?1 AND namespace = ?2 AND workflow_id = ?3
                             ORDER BY run_number DESC, started_at DESC, run_id DESC
                             LIMIT 1
                         )
                     ) AS workflow_executions
                     ORDER BY choice
                     LIMIT 1",
                    hash,
                    namespace,
                    workflow_id
                )
                .fetch_optional(self.statement())
                .await
            }
        };
        row.map_err(error::on(TABLE))?.map(ExecutionRow::into_execution).transpose()
    }

    async fn find_execution_by_request(
        &self,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
        request_id: &RequestId,
    ) -> Result<Option<Execution>> {
        let hash = WorkflowHash::of(namespace, workflow_id).0;
        let (namespace, workflow_id) = (namespace.as_str(), workflow_id.as_str());
        let request_id = request_id.as_str();
        select_executions!(
            "FROM workflow_executions
             WHERE workflow_hash = ? AND namespace = ? AND workflow_id = ? AND request_id = ?",
            hash,
            namespace,
            workflow_id,
            request_id
        )
        .fetch_optional(self.statement())
        .await
        .map_err(error::on(TABLE))?
        .map(ExecutionRow::into_execution)
        .transpose()
    }

    /// One statement per run: there is no round trip to save.
    async fn find_runs(&self, keys: &[RunKey]) -> Result<Vec<Execution>> {
        let mut runs = Vec::with_capacity(keys.len());
        for key in keys {
            let row = select_executions!(
                "FROM workflow_executions
                 WHERE workflow_hash = ? AND run_id = ?",
                key.hash.0,
                key.run_id.0
            )
            .fetch_optional(self.statement())
            .await
            .map_err(error::on(TABLE))?;
            runs.extend(row.map(ExecutionRow::into_execution).transpose()?);
        }
        Ok(runs)
    }

    async fn list_executions(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        after: Option<&ExecutionCursor>,
        limit: u32,
    ) -> Result<Vec<ListedExecution>> {
        self.list(namespace, filter, after, limit).await
    }

    async fn count_executions(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        by: Option<CountBy>,
    ) -> Result<Vec<ExecutionCount>> {
        self.count(namespace, filter, by).await
    }

    async fn open_executions(
        &self,
        range: HashRange,
        after: Option<RunKey>,
        limit: u32,
    ) -> Result<Vec<Execution>> {
        let after = range.scanned_to(after);
        select_executions!(
            "FROM workflow_executions
             WHERE status IN ('running', 'blocked')
               AND (workflow_hash, run_id) > (?, ?)
               AND workflow_hash <= ?
             ORDER BY workflow_hash, run_id
             LIMIT ?",
            after.hash.0,
            after.run_id.0,
            range.to.0,
            limit
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(TABLE))?
        .into_iter()
        .map(ExecutionRow::into_execution)
        .collect()
    }

    async fn next_open(&self, range: HashRange, after: Option<RunKey>) -> Result<Option<RunKey>> {
        let after = range.scanned_to(after);
        let next = sqlx::query!(
            r#"SELECT workflow_hash AS "workflow_hash!: i32", run_id AS "run_id!: Uuid"
               FROM workflow_executions
               WHERE status IN ('running', 'blocked')
                 AND (workflow_hash, run_id) > (?, ?)
                 AND workflow_hash <= ?
               ORDER BY workflow_hash, run_id
               LIMIT 1"#,
            after.hash.0,
            after.run_id.0,
            range.to.0
        )
        .fetch_optional(self.statement())
        .await
        .map_err(error::on(TABLE))?;
        Ok(next
            .map(|row| RunKey { hash: WorkflowHash(row.workflow_hash), run_id: RunId(row.run_id) }))
    }
}
