//! A store that fails on demand: for tests of what happens then.

mod access;
mod encryption_key;
mod namespace;
mod queue_settings;
mod script;
mod search_attribute;
mod task;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dacapo_model::event::{HistoryEvent, ParentExecution};
use dacapo_model::execution::Execution;
use dacapo_model::ids::{
    EventId, ModuleName, NamespaceName, QueryName, RequestId, RunId, RunKey, WorkflowHash,
    WorkflowId,
};
use dacapo_model::module::{ModuleDigest, ModuleVersion};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_model::update::AdmittedUpdate;
use parking_lot::Mutex;

pub use self::script::{Call, Fault, Operation};
use crate::Store;
use crate::commit::{CommitStore, CommitUnit};
use crate::count::{CountBy, ExecutionCount};
use crate::deletion::{ClosedRun, DeletionStore, ModuleDeletion, RunDeletion};
use crate::error::{Result, StoreError};
use crate::execution::{ExecutionCursor, ExecutionFilter, ExecutionStore, ListedExecution};
use crate::history::HistoryStore;
use crate::module::{ModuleStore, NewModule};
use crate::probe::ProbeStore;
use crate::query_result::QueryResultStore;
use crate::shard::{HashRange, NodeId, Owner, Ownership, ShardStore};
use crate::statistics::{Statistics, StatisticsStore};
use crate::timer::{DueTimer, TimerRow, TimerStore};
use crate::update::UpdateStore;

type Script = Box<dyn Fn(Call) -> Fault + Send + Sync>;
type Hook = Box<dyn Fn(u64) + Send + Sync>;
type CommitsAtOnce = Box<dyn Fn() -> usize + Send + Sync>;
type Refusal = Box<dyn Fn(&CommitUnit) -> bool + Send + Sync>;
type OfUnits = Box<dyn Fn(&[CommitUnit]) -> bool + Send + Sync>;

/// A commit that was reported as unavailable and is still to be done.
struct Late {
    calls_left: u32,
    number: u64,
    ownership: Ownership,
    units: Vec<CommitUnit>,
}

/// Passes calls on to another store, except where its script says otherwise.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    script: Script,
    before_commit: Hook,
    after_commit: Hook,
    refuses: Refusal,
    refuses_now: OfUnits,
    silent_about: OfUnits,
    commits_at_once: Option<CommitsAtOnce>,
    calls: Mutex<HashMap<Operation, u64>>,
    late: Mutex<Vec<Late>>,
}

impl FaultyStore {
    /// Wraps a store; `script` is asked about every call.
    pub fn new(
        inner: Arc<dyn Store>,
        script: impl Fn(Call) -> Fault + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner,
            script: Box::new(script),
            before_commit: Box::new(|_| {}),
            after_commit: Box::new(|_| {}),
            refuses: Box::new(|_| false),
            refuses_now: Box::new(|_| false),
            silent_about: Box::new(|_| false),
            commits_at_once: None,
            calls: Mutex::default(),
            late: Mutex::default(),
        }
    }

    /// Wraps a store without faults, for its hooks.
    pub fn transparent(inner: Arc<dyn Store>) -> Self {
        Self::new(inner, |_| Fault::None)
    }

    /// Calls `hook` just before the n-th commit (from 1) reaches the store. A
    /// test of crashes ends the process there.
    #[must_use]
    pub fn before_commit(mut self, hook: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.before_commit = Box::new(hook);
        self
    }

    /// Calls `hook` when the n-th commit (from 1) was done, before anyone is
    /// told.
    #[must_use]
    pub fn after_commit(mut self, hook: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.after_commit = Box::new(hook);
        self
    }

    /// Rejects every commit with a unit that `refuses` is true of.
    #[must_use]
    pub fn refusing(
        mut self,
        refuses: impl Fn(&CommitUnit) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.refuses = Box::new(refuses);
        self
    }

    /// Rejects a commit of units that `refuses_now` is true of, with an error that may
    /// pass.
    #[must_use]
    pub fn refusing_now(
        mut self,
        refuses_now: impl Fn(&[CommitUnit]) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.refuses_now = Box::new(refuses_now);
        self
    }

    /// Does not do a commit of units that `silent_about` is true of, and reports it as
    /// unavailable: like a row at which the database breaks down.
    #[must_use]
    pub fn silent_about(
        mut self,
        silent_about: impl Fn(&[CommitUnit]) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.silent_about = Box::new(silent_about);
        self
    }

    /// Answers in place of the other store how many commits there may be at once.
    #[must_use]
    pub fn commits_at_once_as(
        mut self,
        answer: impl Fn() -> usize + Send + Sync + 'static,
    ) -> Self {
        self.commits_at_once = Some(Box::new(answer));
        self
    }

    async fn call<T>(
        &self,
        operation: Operation,
        perform: impl AsyncFnOnce(u64) -> Result<T>,
    ) -> Result<T> {
        let number = self.count(operation);
        self.do_late_commits().await;
        self.meet((self.script)(Call { operation, number }), number, perform).await
    }

    fn count(&self, operation: Operation) -> u64 {
        let mut calls = self.calls.lock();
        let number = calls.entry(operation).or_default();
        *number += 1;
        *number
    }

    /// Does the commits whose time has come. Nobody hears what becomes of them.
    async fn do_late_commits(&self) {
        let due: Vec<Late> = {
            let mut late = self.late.lock();
            late.iter_mut().for_each(|it| it.calls_left = it.calls_left.saturating_sub(1));
            late.extract_if(.., |it| it.calls_left == 0).collect()
        };
        for Late { number, ownership, units, .. } in due {
            if self.inner.commit(&ownership, &units).await.is_ok() {
                (self.after_commit)(number);
            }
        }
    }

    async fn meet<T>(
        &self,
        fault: Fault,
        number: u64,
        perform: impl AsyncFnOnce(u64) -> Result<T>,
    ) -> Result<T> {
        match fault {
            Fault::None => perform(number).await,
            Fault::Unavailable | Fault::DoneLater(_) => Err(unavailable("before it was done")),
            Fault::Panic => panic!("a fault was injected"),
            Fault::DoneButUnavailable => {
                perform(number).await?;
                Err(unavailable("after it was done"))
            }
            Fault::Fenced => Err(StoreError::Fenced { shard_id: 0, epoch: u64::MAX }),
            Fault::Delayed(until) => {
                match until.acquire().await {
                    Ok(permit) => permit.forget(),
                    Err(closed) => return Err(StoreError::Unavailable { source: closed.into() }),
                }
                perform(number).await
            }
        }
    }
}

fn unavailable(when: &str) -> StoreError {
    StoreError::Unavailable { source: format!("a fault was injected {when}").into() }
}

#[async_trait]
impl CommitStore for FaultyStore {
    fn commits_at_once(&self) -> usize {
        match &self.commits_at_once {
            Some(answer) => answer(),
            None => self.inner.commits_at_once(),
        }
    }

    async fn commit(&self, ownership: &Ownership, units: &[CommitUnit]) -> Result<()> {
        let number = self.count(Operation::Commit);
        self.do_late_commits().await;
        let fault = (self.script)(Call { operation: Operation::Commit, number });
        let refused = units.iter().any(|unit| (self.refuses)(unit));
        let refused_now = (self.refuses_now)(units);
        if refused || refused_now {
            let (reason, may_pass) = ("a fault was injected".to_owned(), refused_now);
            return Err(StoreError::Rejected { reason, may_pass });
        }
        if (self.silent_about)(units) {
            return Err(unavailable("before it was done"));
        }
        if let Fault::DoneLater(calls_left) = fault {
            let (ownership, units) = (ownership.clone(), units.to_vec());
            self.late.lock().push(Late { calls_left, number, ownership, units });
        }
        self.meet(fault, number, async |number| {
            (self.before_commit)(number);
            self.inner.commit(ownership, units).await?;
            (self.after_commit)(number);
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl DeletionStore for FaultyStore {
    async fn closed_runs(
        &self,
        namespace: &NamespaceName,
        before: Timestamp,
        after: Option<ClosedRun>,
        limit: u32,
    ) -> Result<Vec<ClosedRun>> {
        self.call(Operation::ClosedRuns, async |_| {
            self.inner.closed_runs(namespace, before, after, limit).await
        })
        .await
    }

    async fn delete_run(&self, ownership: &Ownership, key: RunKey) -> Result<RunDeletion> {
        self.call(Operation::DeleteRun, async |_| self.inner.delete_run(ownership, key).await).await
    }

    async fn delete_modules(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        name: &ModuleName,
        version: Option<u32>,
    ) -> Result<ModuleDeletion> {
        self.call(Operation::DeleteModules, async |_| {
            self.inner.delete_modules(ownership, namespace, name, version).await
        })
        .await
    }
}

#[async_trait]
impl ExecutionStore for FaultyStore {
    async fn find_execution(
        &self,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<Option<Execution>> {
        self.call(Operation::FindExecution, async |_| {
            self.inner.find_execution(namespace, workflow_id, run_id).await
        })
        .await
    }

    async fn find_execution_by_request(
        &self,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
        request_id: &RequestId,
    ) -> Result<Option<Execution>> {
        self.call(Operation::FindExecutionByRequest, async |_| {
            self.inner.find_execution_by_request(namespace, workflow_id, request_id).await
        })
        .await
    }

    async fn list_executions(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        after: Option<&ExecutionCursor>,
        limit: u32,
    ) -> Result<Vec<ListedExecution>> {
        self.call(Operation::ListExecutions, async |_| {
            self.inner.list_executions(namespace, filter, after, limit).await
        })
        .await
    }

    async fn count_executions(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        by: Option<CountBy>,
    ) -> Result<Vec<ExecutionCount>> {
        self.call(Operation::CountExecutions, async |_| {
            self.inner.count_executions(namespace, filter, by).await
        })
        .await
    }

    async fn find_runs(&self, keys: &[RunKey]) -> Result<Vec<Execution>> {
        self.call(Operation::FindRuns, async |_| self.inner.find_runs(keys).await).await
    }

    async fn open_executions(
        &self,
        range: HashRange,
        after: Option<RunKey>,
        limit: u32,
    ) -> Result<Vec<Execution>> {
        self.call(Operation::OpenExecutions, async |_| {
            self.inner.open_executions(range, after, limit).await
        })
        .await
    }

    async fn next_open(&self, range: HashRange, after: Option<RunKey>) -> Result<Option<RunKey>> {
        self.call(Operation::NextOpen, async |_| self.inner.next_open(range, after).await).await
    }
}

#[async_trait]
impl HistoryStore for FaultyStore {
    async fn load_history(
        &self,
        key: RunKey,
        from: EventId,
        limit: u32,
    ) -> Result<Vec<HistoryEvent>> {
        self.call(Operation::LoadHistory, async |_| self.inner.load_history(key, from, limit).await)
            .await
    }

    async fn load_history_part(
        &self,
        key: RunKey,
        from: EventId,
        limit: u32,
        bytes_max: u64,
    ) -> Result<Vec<HistoryEvent>> {
        self.call(Operation::LoadHistory, async |_| {
            self.inner.load_history_part(key, from, limit, bytes_max).await
        })
        .await
    }

    async fn last_event(&self, key: RunKey) -> Result<Option<HistoryEvent>> {
        self.call(Operation::LastEvent, async |_| self.inner.last_event(key).await).await
    }

    async fn load_histories(
        &self,
        keys: &[RunKey],
        limit: u32,
        bytes_max: usize,
    ) -> Result<Vec<Vec<HistoryEvent>>> {
        self.call(Operation::LoadHistories, async |_| {
            self.inner.load_histories(keys, limit, bytes_max).await
        })
        .await
    }

    async fn last_events(&self, keys: &[RunKey]) -> Result<Vec<Option<HistoryEvent>>> {
        self.call(Operation::LastEvents, async |_| self.inner.last_events(keys).await).await
    }

    async fn find_parents(&self, keys: &[RunKey]) -> Result<Vec<(RunId, ParentExecution)>> {
        self.call(Operation::FindParents, async |_| self.inner.find_parents(keys).await).await
    }
}

#[async_trait]
impl ModuleStore for FaultyStore {
    async fn put_module(
        &self,
        ownership: &Ownership,
        module: NewModule,
    ) -> Result<(ModuleVersion, bool)> {
        self.call(Operation::PutModule, async |_| self.inner.put_module(ownership, module).await)
            .await
    }

    async fn module_changes(&self) -> Result<u64> {
        self.call(Operation::ModuleChanges, async |_| self.inner.module_changes().await).await
    }

    async fn all_modules(&self) -> Result<Vec<ModuleVersion>> {
        self.call(Operation::AllModules, async |_| self.inner.all_modules().await).await
    }

    async fn module_bytes(&self, digest: ModuleDigest) -> Result<Option<Bytes>> {
        self.call(Operation::ModuleBytes, async |_| self.inner.module_bytes(digest).await).await
    }
}

#[async_trait]
impl ProbeStore for FaultyStore {
    async fn probe_write(&self) -> Result<()> {
        self.call(Operation::ProbeWrite, async |_| self.inner.probe_write().await).await
    }
}

#[async_trait]
impl QueryResultStore for FaultyStore {
    async fn query_result(&self, key: RunKey, name: &QueryName) -> Result<Option<Payload>> {
        self.call(Operation::QueryResult, async |_| self.inner.query_result(key, name).await).await
    }

    async fn query_result_names(&self, key: RunKey) -> Result<Vec<QueryName>> {
        self.call(Operation::QueryResultNames, async |_| self.inner.query_result_names(key).await)
            .await
    }
}

#[async_trait]
impl ShardStore for FaultyStore {
    async fn acquire_all_shards(&self, node: NodeId) -> Result<Ownership> {
        self.call(Operation::AcquireAllShards, async |_| self.inner.acquire_all_shards(node).await)
            .await
    }

    async fn acquire_shards_after(
        &self,
        node: NodeId,
        lease: Duration,
        before: Option<NodeId>,
    ) -> Result<Option<Ownership>> {
        self.call(Operation::AcquireShardsAfter, async |_| {
            self.inner.acquire_shards_after(node, lease, before).await
        })
        .await
    }

    async fn owner(&self) -> Result<Option<Owner>> {
        self.call(Operation::Owner, async |_| self.inner.owner().await).await
    }

    async fn renew_lease(&self, ownership: &Ownership, lease: Duration) -> Result<()> {
        self.call(Operation::RenewLease, async |_| self.inner.renew_lease(ownership, lease).await)
            .await
    }

    async fn lease_session_lives(&self) -> bool {
        self.inner.lease_session_lives().await
    }

    async fn release_lease(&self, node: NodeId) -> Result<()> {
        self.call(Operation::ReleaseLease, async |_| self.inner.release_lease(node).await).await
    }

    async fn check_held(&self, ownership: &Ownership, hashes: &[WorkflowHash]) -> Result<()> {
        self.call(Operation::CheckHeld, async |_| self.inner.check_held(ownership, hashes).await)
            .await
    }

    async fn shard_owners(&self) -> Result<Vec<(u16, u64, Option<NodeId>)>> {
        self.call(Operation::ShardOwners, async |_| self.inner.shard_owners().await).await
    }
}

impl StatisticsStore for FaultyStore {
    fn statistics(&self) -> Statistics {
        self.inner.statistics()
    }
}

#[async_trait]
impl TimerStore for FaultyStore {
    async fn due_timers(
        &self,
        ranges: &[HashRange],
        until: Timestamp,
        after: Option<DueTimer>,
        limit: u32,
    ) -> Result<Vec<DueTimer>> {
        self.call(Operation::DueTimers, async |_| {
            self.inner.due_timers(ranges, until, after, limit).await
        })
        .await
    }

    async fn run_timers(&self, keys: &[RunKey]) -> Result<Vec<TimerRow>> {
        self.call(Operation::RunTimers, async |_| self.inner.run_timers(keys).await).await
    }
}

#[async_trait]
impl UpdateStore for FaultyStore {
    async fn run_updates(&self, keys: &[RunKey]) -> Result<Vec<(RunKey, AdmittedUpdate)>> {
        self.call(Operation::RunUpdates, async |_| self.inner.run_updates(keys).await).await
    }
}
