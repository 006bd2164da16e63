//! A complete store that forgets: for tests that need no database.

mod access;
mod damage;
mod deletion;
mod encryption_key;
mod history;
mod list;
mod module;
mod namespace;
mod query_result;
mod queue_settings;
mod search_attribute;
mod task;
mod update;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use dacapo_model::attributes::RunAttributes;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Execution;
use dacapo_model::ids::{
    EventId, NamespaceName, QueryName, QueueName, RequestId, RunId, RunKey, UpdateId, WorkflowHash,
    WorkflowId,
};
use dacapo_model::module::{ModuleDigest, ModuleVersion};
use dacapo_model::namespace::{DEFAULT_NAMESPACE, Namespace, NamespaceSettings};
use dacapo_model::payload::Payload;
use dacapo_model::search_attribute::{RegisteredAttribute, SearchAttributeName};
use dacapo_model::task::FairnessKey;
use dacapo_model::time::Timestamp;
use dacapo_model::update::AdmittedUpdate;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::batch::{CommitRows, touched_shards};
use crate::commit::{CommitStore, CommitUnit};
use crate::count::{CountBy, ExecutionCount};
use crate::error::{Result, StoreError};
use crate::execution::{ExecutionCursor, ExecutionFilter, ExecutionStore, ListedExecution};
use crate::probe::ProbeStore;
use crate::queue_settings::QueueSettings;
use crate::shard::{
    HashRange, INITIAL_SHARDS, NodeId, Owner, OwnerLife, Ownership, ShardLease, ShardStore,
};
use crate::statistics::{Counters, Statistics, StatisticsStore};
use crate::task::{TaskKey, TaskPlace};
use crate::timer::{DueTimer, TimerRow, TimerStore};

/// Keeps everything in memory, under one lock.
pub struct MemoryStore {
    state: Mutex<State>,
    /// Claims of queues with settings, and changes of settings, come one after the other.
    limited: tokio::sync::Mutex<()>,
    counters: Counters,
}

/// What was stored at a time.
pub struct Snapshot(State);

#[derive(Clone)]
struct State {
    namespaces: BTreeMap<NamespaceName, Namespace>,
    namespace_changes: u64,
    access: access::Access,
    /// What each is recognised by.
    encryption_keys: BTreeMap<String, Vec<u8>>,
    modules: Vec<ModuleVersion>,
    module_changes: u64,
    contents: HashMap<ModuleDigest, Bytes>,
    shards: Vec<ShardLease>,
    owner: Option<NodeId>,
    /// Until when the owner's lease goes on.
    leased_until: Option<Instant>,
    executions: BTreeMap<RunKey, Execution>,
    /// Of these nothing but the key can be read.
    spoilt_executions: BTreeSet<RunKey>,
    run_numbers: HashMap<RunKey, u64>,
    events: BTreeMap<(RunKey, EventId), HistoryEvent>,
    /// Events that can't be read.
    spoilt: BTreeSet<(RunKey, EventId)>,
    timers: BTreeMap<(RunKey, EventId), TimerRow>,
    due: BTreeSet<DueTimer>,
    updates: BTreeMap<(RunKey, UpdateId), AdmittedUpdate>,
    query_results: BTreeMap<(RunKey, QueryName), Payload>,
    search_attributes: BTreeMap<(NamespaceName, SearchAttributeName), RegisteredAttribute>,
    search_attribute_changes: u64,
    tasks: BTreeMap<TaskKey, TaskPlace>,
    queue_settings: BTreeMap<QueuePlace, QueueSettings>,
    /// When the bursts of queues and their keys are there again.
    queue_rates: BTreeMap<(QueuePlace, Option<FairnessKey>), Timestamp>,
}

type QueuePlace = (NamespaceName, QueueName);

impl MemoryStore {
    /// An empty store with the namespace `default`.
    pub fn new() -> Self {
        let width = (1_i64 << 32) / i64::from(INITIAL_SHARDS);
        let bound = |at: i64| {
            WorkflowHash(i32::try_from(i64::from(i32::MIN) + at).expect("within 32 bits"))
        };
        let shards = (0..INITIAL_SHARDS).map(|shard_id| ShardLease {
            shard_id,
            hash_from: bound(i64::from(shard_id) * width),
            hash_to: bound((i64::from(shard_id) + 1) * width - 1),
            epoch: 0,
        });
        let default = Namespace {
            name: NamespaceName::new(DEFAULT_NAMESPACE).expect("a valid name"),
            settings: NamespaceSettings::default(),
            created_at: Timestamp::default(),
            deleted_at: None,
        };
        let state = State {
            namespaces: BTreeMap::from([(default.name.clone(), default)]),
            namespace_changes: 0,
            access: access::Access::default(),
            encryption_keys: BTreeMap::new(),
            modules: Vec::new(),
            module_changes: 0,
            contents: HashMap::new(),
            shards: shards.collect(),
            owner: None,
            leased_until: None,
            executions: BTreeMap::new(),
            spoilt_executions: BTreeSet::new(),
            run_numbers: HashMap::new(),
            events: BTreeMap::new(),
            spoilt: BTreeSet::new(),
            timers: BTreeMap::new(),
            due: BTreeSet::new(),
            updates: BTreeMap::new(),
            query_results: BTreeMap::new(),
            search_attributes: BTreeMap::new(),
            search_attribute_changes: 0,
            tasks: BTreeMap::new(),
            queue_settings: BTreeMap::new(),
            queue_rates: BTreeMap::new(),
        };
        let limited = tokio::sync::Mutex::default();
        Self { state: Mutex::new(state), limited, counters: Counters::default() }
    }

    /// All that is stored, to [go back](Self::go_back) to.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.state.lock().clone())
    }

    /// Loses everything that was written since: what a database does that fails
    /// over to a copy which was behind.
    pub fn go_back(&self, snapshot: &Snapshot) {
        *self.state.lock() = snapshot.0.clone();
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        self.counters.add_statements(1);
        read(&self.state.lock())
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn check_fence(&self, ownership: &Ownership, units: &[CommitUnit]) -> Result<()> {
        self.check_epochs(touched_shards(ownership, units))
    }

    fn check_held(&self, ownership: &Ownership, hashes: &[WorkflowHash]) -> Result<()> {
        self.check_epochs(ownership.epochs_of(hashes.iter().copied()))
    }

    fn check_all_held(&self, ownership: &Ownership) -> Result<()> {
        ownership.check_all(&self.shards.iter().map(|it| (it.shard_id, it.epoch)).collect())
    }

    fn check_epochs(
        &self,
        held: std::result::Result<BTreeMap<u16, u64>, WorkflowHash>,
    ) -> Result<()> {
        let fenced = |shard: &ShardLease| StoreError::Fenced {
            shard_id: shard.shard_id,
            epoch: shard.epoch,
        };
        let held = held.map_err(|hash| {
            let after = self.shards.partition_point(|shard| shard.hash_from <= hash);
            fenced(&self.shards[after - 1])
        })?;
        for (shard_id, epoch) in held {
            let shard = &self.shards[usize::from(shard_id)];
            if shard.epoch != epoch {
                return Err(fenced(shard));
            }
        }
        Ok(())
    }

    fn check_required(&self, batch: &CommitRows<'_>) -> Result<()> {
        match batch.required.iter().find(|event| !self.events.contains_key(event)) {
            None => Ok(()),
            Some((key, event_id)) => Err(StoreError::missing_event(key.run_id, *event_id)),
        }
    }

    /// What the row counts and the unique keys of the databases refuse, in the
    /// order in which they do.
    fn check_keys(&self, batch: &CommitRows<'_>) -> Result<()> {
        let conflict = |key: &str| Err(StoreError::Conflict { key: key.to_owned() });
        if let Some(key) = batch.updates.keys().find(|key| !self.executions.contains_key(key)) {
            return Err(StoreError::Corrupt {
                table: "workflow_executions",
                column: "run_id",
                row: key.to_string(),
                reason: "the run to change does not exist".to_owned(),
            });
        }
        let mut inserted: Vec<&Execution> = Vec::new();
        for execution in &batch.inserts {
            if self.executions.contains_key(&execution.key) {
                return conflict("workflow_executions_pkey");
            }
            let updated =
                |run: &&Execution| batch.updates.get(&run.key).map(|update| update.status);
            let others = || {
                let stored = self.runs_at(execution.key.hash);
                let stored = stored.filter(|run| same_workflow(run, execution));
                stored.map(|run| (run, updated(&run).unwrap_or(run.status))).chain(
                    inserted
                        .iter()
                        .filter(|run| same_workflow(run, execution))
                        .map(|run| (*run, run.status)),
                )
            };
            if execution.status.is_open() && others().any(|(_, status)| status.is_open()) {
                return conflict("workflow_executions_open");
            }
            if execution.request_id.is_some()
                && others().any(|(run, _)| run.request_id == execution.request_id)
            {
                return conflict("workflow_executions_request");
            }
            inserted.push(execution);
        }
        let mut new_events = HashSet::new();
        if batch.events.iter().any(|(_, event)| event.id < EventId::FIRST) {
            return Err(StoreError::Rejected {
                reason: "events count from 1".to_owned(),
                may_pass: false,
            });
        }
        for (key, event) in &batch.events {
            let key = (*key, event.id);
            if self.events.contains_key(&key) || !new_events.insert(key) {
                return conflict("history_events_pkey");
            }
        }
        Ok(())
    }

    fn apply(&mut self, batch: &CommitRows<'_>) {
        for (key, update) in &batch.updates {
            if let Some(execution) = self.executions.get_mut(key) {
                execution.status = update.status;
                execution.blocked = update.blocked.clone();
                execution.closed_at = update.closed_at;
                execution.history_size = update.history_size;
                execution.module_digest = update.module_digest.unwrap_or(execution.module_digest);
                if let Some(attributes) = &update.attributes {
                    let tags = std::mem::take(&mut execution.attributes.tags);
                    execution.attributes = RunAttributes { tags, ..attributes.clone() };
                }
                if let Some(tags) = &update.tags {
                    execution.attributes.tags = tags.clone();
                }
            }
        }
        for execution in &batch.inserts {
            let others = self.runs_at(execution.key.hash);
            let others = others.filter(|other| same_workflow(other, execution));
            let last = others.map(|other| self.run_number(other)).max().unwrap_or(0);
            self.run_numbers.insert(execution.key, last + 1);
            self.executions.insert(execution.key, execution.clone().into_owned());
        }
        for (key, event) in &batch.events {
            self.events.insert((*key, event.id), (*event).clone());
        }
        let set = batch.timers_set.iter().map(|(key, timer)| (key, Some(*timer)));
        let cleared = batch.timers_cleared.iter().map(|key| (key, None));
        for (key, timer) in set.chain(cleared) {
            if let Some(old) = self.timers.remove(key) {
                self.due.remove(&old.due());
            }
            if let Some(timer) = timer {
                self.due.insert(timer.due());
                self.timers.insert(*key, timer.clone());
            }
        }
        for (key, update_id) in &batch.admitted_removed {
            self.updates.remove(&(*key, (*update_id).clone()));
        }
        for ((key, update_id), admitted) in &batch.admitted {
            self.updates.insert((*key, (*update_id).clone()), (*admitted).clone());
        }
        for ((key, name), value) in &batch.query_results {
            self.query_results.insert((*key, (*name).clone()), (*value).clone());
        }
        self.change_tasks(batch);
    }

    /// An event, if it can be read.
    fn readable(
        &self,
        (place, event): (&(RunKey, EventId), &HistoryEvent),
    ) -> Result<HistoryEvent> {
        if !self.spoilt.contains(place) {
            return Ok(event.clone());
        }
        Err(StoreError::Corrupt {
            table: "history_events",
            column: "attributes",
            row: format!("{}/{}", place.0, place.1),
            reason: "it was spoilt".to_owned(),
        })
    }

    fn take_shards(&mut self, node: NodeId, leased_until: Option<Instant>) -> Ownership {
        self.owner = Some(node);
        self.leased_until = leased_until;
        self.shards.iter_mut().for_each(|shard| shard.epoch += 1);
        Ownership::new(node, self.shards.clone())
    }

    fn runs_at(&self, hash: WorkflowHash) -> impl Iterator<Item = &Execution> {
        let first = RunKey { hash, run_id: RunId(Uuid::nil()) };
        let last = RunKey { hash, run_id: RunId(Uuid::max()) };
        self.executions.range(first..=last).map(|(_, run)| run)
    }

    fn open_after(
        &self,
        range: HashRange,
        after: Option<RunKey>,
    ) -> impl Iterator<Item = &Execution> {
        let start = Bound::Excluded(range.scanned_to(after));
        let runs = self.executions.range((start, Bound::Unbounded)).map(|(_, run)| run);
        runs.take_while(move |run| range.contains(run.key.hash)).filter(|run| run.status.is_open())
    }

    fn read_execution(&self, run: &Execution) -> Result<Execution> {
        if self.spoilt_executions.contains(&run.key) {
            return Err(StoreError::Corrupt {
                table: "workflow_executions",
                column: "status",
                row: run.key.to_string(),
                reason: "it was spoilt".to_owned(),
            });
        }
        Ok(run.clone())
    }

    fn run_number(&self, run: &Execution) -> u64 {
        self.run_numbers.get(&run.key).copied().unwrap_or(0)
    }

    /// What a run of one workflow id is compared by.
    fn place(&self, run: &Execution) -> (u64, Timestamp, RunId) {
        (self.run_number(run), run.started_at, run.key.run_id)
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock that a database would have")]
fn now() -> Instant {
    Instant::now()
}

fn same_workflow(one: &Execution, other: &Execution) -> bool {
    one.key.hash == other.key.hash
        && one.namespace == other.namespace
        && one.workflow_id == other.workflow_id
}

/// Bounded by the caller; a `u32` fits on every platform that runs this.
fn at_most(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[async_trait]
impl CommitStore for MemoryStore {
    async fn commit(&self, ownership: &Ownership, units: &[CommitUnit]) -> Result<()> {
        if units.is_empty() {
            return Ok(());
        }
        self.counters.add_statements(1);
        let batch = CommitRows::fold(units)?;
        let mut state = self.state.lock();
        state.check_fence(ownership, units)?;
        state.check_required(&batch)?;
        state.check_keys(&batch)?;
        state.apply(&batch);
        self.counters.add_commit();
        Ok(())
    }
}

#[async_trait]
impl ExecutionStore for MemoryStore {
    async fn find_execution(
        &self,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<Option<Execution>> {
        self.read(|state| {
            let runs = state.runs_at(WorkflowHash::of(namespace, workflow_id));
            let runs = runs.filter(|run| {
                run.namespace == *namespace
                    && run.workflow_id == *workflow_id
                    && run_id.is_none_or(|run_id| run.key.run_id == run_id)
            });
            // The open one, if there is one, or else the last.
            let found = runs.max_by_key(|run| (run.status.is_open(), state.place(run)));
            found.map(|run| state.read_execution(run)).transpose()
        })
    }

    async fn find_execution_by_request(
        &self,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
        request_id: &RequestId,
    ) -> Result<Option<Execution>> {
        Ok(self.read(|state| {
            let is_it = |run: &&Execution| {
                run.namespace == *namespace
                    && run.workflow_id == *workflow_id
                    && run.request_id.as_ref() == Some(request_id)
            };
            state.runs_at(WorkflowHash::of(namespace, workflow_id)).find(is_it).cloned()
        }))
    }

    async fn list_executions(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        after: Option<&ExecutionCursor>,
        limit: u32,
    ) -> Result<Vec<ListedExecution>> {
        Ok(self.read(|state| state.list(namespace, filter, after, limit)))
    }

    async fn count_executions(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        by: Option<CountBy>,
    ) -> Result<Vec<ExecutionCount>> {
        Ok(self.read(|state| state.count(namespace, filter, by)))
    }

    async fn find_runs(&self, keys: &[RunKey]) -> Result<Vec<Execution>> {
        self.read(|state| {
            let found = keys.iter().filter_map(|key| state.executions.get(key));
            found.map(|run| state.read_execution(run)).collect()
        })
    }

    async fn open_executions(
        &self,
        range: HashRange,
        after: Option<RunKey>,
        limit: u32,
    ) -> Result<Vec<Execution>> {
        self.read(|state| {
            let open = state.open_after(range, after).take(at_most(limit));
            open.map(|run| state.read_execution(run)).collect()
        })
    }

    async fn next_open(&self, range: HashRange, after: Option<RunKey>) -> Result<Option<RunKey>> {
        Ok(self.read(|state| state.open_after(range, after).next().map(|run| run.key)))
    }
}

#[async_trait]
impl ShardStore for MemoryStore {
    async fn acquire_all_shards(&self, node: NodeId) -> Result<Ownership> {
        self.counters.add_statements(1);
        Ok(self.state.lock().take_shards(node, None))
    }

    async fn acquire_shards_after(
        &self,
        node: NodeId,
        lease: Duration,
        before: Option<NodeId>,
    ) -> Result<Option<Ownership>> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        let is_still_so = state.owner == before;
        Ok(is_still_so.then(|| state.take_shards(node, Some(now() + lease))))
    }

    async fn owner(&self) -> Result<Option<Owner>> {
        Ok(self.read(|state| {
            let left = state.leased_until.and_then(|until| until.checked_duration_since(now()));
            let life = left.filter(|left| !left.is_zero());
            let life = life.map_or(OwnerLife::Ended, OwnerLife::Leased);
            state.owner.map(|node| Owner { node, life })
        }))
    }

    async fn renew_lease(&self, ownership: &Ownership, lease: Duration) -> Result<()> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        state.check_all_held(ownership)?;
        state.leased_until = Some(now() + lease);
        Ok(())
    }

    async fn release_lease(&self, node: NodeId) -> Result<()> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        if state.owner == Some(node) {
            state.leased_until = None;
        }
        Ok(())
    }

    async fn check_held(&self, ownership: &Ownership, hashes: &[WorkflowHash]) -> Result<()> {
        self.read(|state| state.check_held(ownership, hashes))
    }

    async fn shard_owners(&self) -> Result<Vec<(u16, u64, Option<NodeId>)>> {
        Ok(self.read(|state| {
            state.shards.iter().map(|shard| (shard.shard_id, shard.epoch, state.owner)).collect()
        }))
    }
}

#[async_trait]
impl ProbeStore for MemoryStore {
    async fn probe_write(&self) -> Result<()> {
        self.read(|_| Ok(()))
    }
}

impl StatisticsStore for MemoryStore {
    fn statistics(&self) -> Statistics {
        self.counters.read()
    }
}

#[async_trait]
impl TimerStore for MemoryStore {
    async fn due_timers(
        &self,
        ranges: &[HashRange],
        until: Timestamp,
        after: Option<DueTimer>,
        limit: u32,
    ) -> Result<Vec<DueTimer>> {
        Ok(self.read(|state| {
            let start = after.map_or(Bound::Unbounded, Bound::Excluded);
            let due = state.due.range((start, Bound::Unbounded));
            let due = due.take_while(|at| at.fire_at < until);
            let due = due.filter(|at| ranges.iter().any(|range| range.contains(at.key.hash)));
            due.take(at_most(limit)).copied().collect()
        }))
    }

    async fn run_timers(&self, keys: &[RunKey]) -> Result<Vec<TimerRow>> {
        Ok(self.read(|state| {
            let keys: BTreeSet<_> = keys.iter().copied().collect();
            let timers = keys
                .into_iter()
                .flat_map(|key| state.timers.range((key, EventId(0))..=(key, EventId(u64::MAX))));
            timers.map(|(_, timer)| timer.clone()).collect()
        }))
    }
}
