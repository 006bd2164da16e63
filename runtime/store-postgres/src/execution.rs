//! Reading summaries of runs.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
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

use crate::{PostgresStore, error};

pub(crate) const TABLE: &str = "workflow_executions";

/// Those of a row, for statements that are put together.
pub(crate) const COLUMNS: &str = "workflow_hash, run_id, namespace, workflow_id, workflow_type, \
                                  module_digest, request_id, status, blocked, memo, \
                                  search_attributes, started_at, closed_at, run_number, \
                                  execution_time, parent_workflow_id, parent_run_id, \
                                  root_workflow_id, root_run_id, history_length, \
                                  history_bytes, task_queue, \
                                  ARRAY(SELECT tag FROM workflow_tags AS tagged \
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
    started_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    run_number: i64,
    execution_time: Option<DateTime<Utc>>,
    parent_workflow_id: Option<String>,
    parent_run_id: Option<Uuid>,
    root_workflow_id: Option<String>,
    root_run_id: Option<Uuid>,
    history_length: Option<i64>,
    history_bytes: Option<i64>,
    task_queue: Option<String>,
    tags: Vec<String>,
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
            attributes: row.attributes(self.memo, self.search_attributes, self.tags)?,
            started_at: Timestamp::from(self.started_at),
            closed_at: self.closed_at.map(Timestamp::from),
            delayed_until: self.execution_time.map(Timestamp::from),
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

#[async_trait]
impl ExecutionStore for PostgresStore {
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
                sqlx::query_file_as!(
                    ExecutionRow,
                    "queries/find_run.sql",
                    hash,
                    namespace,
                    workflow_id,
                    run_id.0
                )
                .fetch_optional(self.statement())
                .await
            }
            None => {
                sqlx::query_file_as!(
                    ExecutionRow,
                    "queries/find_execution.sql",
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
        sqlx::query_file_as!(
            ExecutionRow,
            "queries/find_request.sql",
            WorkflowHash::of(namespace, workflow_id).0,
            namespace.as_str(),
            workflow_id.as_str(),
            request_id.as_str()
        )
        .fetch_optional(self.statement())
        .await
        .map_err(error::on(TABLE))?
        .map(ExecutionRow::into_execution)
        .transpose()
    }

    async fn find_runs(&self, keys: &[RunKey]) -> Result<Vec<Execution>> {
        let hashes: Vec<i32> = keys.iter().map(|key| key.hash.0).collect();
        let run_ids: Vec<Uuid> = keys.iter().map(|key| key.run_id.0).collect();
        sqlx::query_file_as!(ExecutionRow, "queries/find_runs.sql", &hashes, &run_ids)
            .fetch_all(self.statement())
            .await
            .map_err(error::on(TABLE))?
            .into_iter()
            .map(ExecutionRow::into_execution)
            .collect()
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
        sqlx::query_file_as!(
            ExecutionRow,
            "queries/open_executions.sql",
            after.hash.0,
            after.run_id.0,
            i64::from(limit),
            range.to.0
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(TABLE))?
        .into_iter()
        .map(ExecutionRow::into_execution)
        .collect()
    }

    async fn next_open(&self, range: HashRange, after: Option<RunKey>) -> Result<Option<RunKey>> {
        let RunKey { hash, run_id } = range.scanned_to(after);
        let next = sqlx::query_file!("queries/next_open.sql", hash.0, run_id.0, range.to.0)
            .fetch_optional(self.statement())
            .await
            .map_err(error::on(TABLE))?;
        Ok(next
            .map(|row| RunKey { hash: WorkflowHash(row.workflow_hash), run_id: RunId(row.run_id) }))
    }
}
