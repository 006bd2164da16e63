//! Reading runs: their histories, rows, timers, updates and published values.

use async_trait::async_trait;
use dacapo_model::event::{HistoryEvent, ParentExecution};
use dacapo_model::execution::Execution;
use dacapo_model::ids::{EventId, NamespaceName, QueryName, RequestId, RunId, RunKey, WorkflowId};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_model::update::AdmittedUpdate;
use dacapo_store::count::{CountBy, ExecutionCount};
use dacapo_store::error::Result;
use dacapo_store::execution::{ExecutionCursor, ExecutionFilter, ExecutionStore, ListedExecution};
use dacapo_store::history::HistoryStore;
use dacapo_store::query_result::QueryResultStore;
use dacapo_store::shard::HashRange;
use dacapo_store::timer::{DueTimer, TimerRow, TimerStore};
use dacapo_store::update::UpdateStore;

use crate::data::{self, Transform as _};
use crate::{EncryptedStore, each};

impl EncryptedStore {
    fn open_events(&self, key: RunKey, mut events: Vec<HistoryEvent>) -> Result<Vec<HistoryEvent>> {
        let with = self.open(key);
        each(&mut events, |event| data::event(&with, event))?;
        Ok(events)
    }

    fn open_last(&self, key: RunKey, last: Option<HistoryEvent>) -> Result<Option<HistoryEvent>> {
        Ok(self.open_events(key, last.into_iter().collect())?.pop())
    }

    fn open_executions_of(&self, mut executions: Vec<Execution>) -> Result<Vec<Execution>> {
        each(&mut executions, |execution| data::execution(&self.open(execution.key), execution))?;
        Ok(executions)
    }

    fn open_execution(&self, execution: Option<Execution>) -> Result<Option<Execution>> {
        Ok(self.open_executions_of(execution.into_iter().collect())?.pop())
    }
}

#[async_trait]
impl HistoryStore for EncryptedStore {
    async fn load_history(
        &self,
        key: RunKey,
        from: EventId,
        limit: u32,
    ) -> Result<Vec<HistoryEvent>> {
        self.open_events(key, self.inner.load_history(key, from, limit).await?)
    }

    async fn load_history_part(
        &self,
        key: RunKey,
        from: EventId,
        limit: u32,
        bytes_max: u64,
    ) -> Result<Vec<HistoryEvent>> {
        self.open_events(key, self.inner.load_history_part(key, from, limit, bytes_max).await?)
    }

    async fn last_event(&self, key: RunKey) -> Result<Option<HistoryEvent>> {
        self.open_last(key, self.inner.last_event(key).await?)
    }

    async fn load_histories(
        &self,
        keys: &[RunKey],
        limit: u32,
        bytes_max: usize,
    ) -> Result<Vec<Vec<HistoryEvent>>> {
        let histories = self.inner.load_histories(keys, limit, bytes_max).await?;
        let opened = keys.iter().zip(histories);
        opened.map(|(key, events)| self.open_events(*key, events)).collect()
    }

    async fn last_events(&self, keys: &[RunKey]) -> Result<Vec<Option<HistoryEvent>>> {
        let events = self.inner.last_events(keys).await?;
        keys.iter().zip(events).map(|(key, last)| self.open_last(*key, last)).collect()
    }

    async fn find_parents(&self, keys: &[RunKey]) -> Result<Vec<(RunId, ParentExecution)>> {
        self.inner.find_parents(keys).await
    }
}

#[async_trait]
impl ExecutionStore for EncryptedStore {
    async fn find_execution(
        &self,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<Option<Execution>> {
        self.open_execution(self.inner.find_execution(namespace, workflow_id, run_id).await?)
    }

    async fn find_execution_by_request(
        &self,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
        request_id: &RequestId,
    ) -> Result<Option<Execution>> {
        let found = self.inner.find_execution_by_request(namespace, workflow_id, request_id);
        self.open_execution(found.await?)
    }

    async fn find_runs(&self, keys: &[RunKey]) -> Result<Vec<Execution>> {
        self.open_executions_of(self.inner.find_runs(keys).await?)
    }

    async fn list_executions(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        after: Option<&ExecutionCursor>,
        limit: u32,
    ) -> Result<Vec<ListedExecution>> {
        let mut listed = self.inner.list_executions(namespace, filter, after, limit).await?;
        each(&mut listed, |ListedExecution { execution, .. }| {
            data::execution(&self.open(execution.key), execution)
        })?;
        Ok(listed)
    }

    async fn count_executions(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        by: Option<CountBy>,
    ) -> Result<Vec<ExecutionCount>> {
        self.inner.count_executions(namespace, filter, by).await
    }

    async fn open_executions(
        &self,
        range: HashRange,
        after: Option<RunKey>,
        limit: u32,
    ) -> Result<Vec<Execution>> {
        self.open_executions_of(self.inner.open_executions(range, after, limit).await?)
    }

    async fn next_open(&self, range: HashRange, after: Option<RunKey>) -> Result<Option<RunKey>> {
        self.inner.next_open(range, after).await
    }
}

#[async_trait]
impl TimerStore for EncryptedStore {
    async fn due_timers(
        &self,
        ranges: &[HashRange],
        until: Timestamp,
        after: Option<DueTimer>,
        limit: u32,
    ) -> Result<Vec<DueTimer>> {
        self.inner.due_timers(ranges, until, after, limit).await
    }

    async fn run_timers(&self, keys: &[RunKey]) -> Result<Vec<TimerRow>> {
        let mut timers = self.inner.run_timers(keys).await?;
        each(&mut timers, |timer| data::timer(&self.open(timer.key), &mut timer.kind))?;
        Ok(timers)
    }
}

#[async_trait]
impl UpdateStore for EncryptedStore {
    async fn run_updates(&self, keys: &[RunKey]) -> Result<Vec<(RunKey, AdmittedUpdate)>> {
        let mut updates = self.inner.run_updates(keys).await?;
        each(&mut updates, |(key, admitted)| self.open(*key).payload(&mut admitted.update.input))?;
        Ok(updates)
    }
}

#[async_trait]
impl QueryResultStore for EncryptedStore {
    async fn query_result(&self, key: RunKey, name: &QueryName) -> Result<Option<Payload>> {
        let mut value = self.inner.query_result(key, name).await?;
        data::optional_payload(&self.open(key), &mut value)?;
        Ok(value)
    }

    async fn query_result_names(&self, key: RunKey) -> Result<Vec<QueryName>> {
        self.inner.query_result_names(key).await
    }
}
