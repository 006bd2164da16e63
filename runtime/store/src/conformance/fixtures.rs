//! What the cases are made of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dacapo_model::attributes::RunAttributes;
use dacapo_model::event::{
    Chain, EventAttributes, HistoryEvent, ParentClosePolicy, ParentExecution, RootExecution,
    RunOptions, WorkflowExecutionStarted,
};
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::{
    EventId, NamespaceName, OperationId, QueueName, RequestId, RunId, RunKey, TypeName,
    WorkerIdentity, WorkflowHash, WorkflowId,
};
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::task::{FairnessKey, Priority};
use dacapo_model::time::Timestamp;
use dacapo_model::timer::TimerKind;
use uuid::Uuid;

use crate::Store;
use crate::commit::{CommitUnit, ExecutionChange, ExecutionUpdate, RunTransition};
use crate::error::Result;
use crate::shard::{NodeId, Ownership};
use crate::task::{
    ClaimedTask, Lease, LeasedTask, TaskAttempt, TaskChange, TaskClaim, TaskPlace, TaskRow,
};
use crate::timer::TimerRow;

/// 2023-11-14T22:13:20.123456Z, when all cases begin.
pub const START: Timestamp = Timestamp::from_micros(1_700_000_000_123_456);

/// A time that many microseconds after [`START`].
pub fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(START.as_micros() + micros)
}

/// The names of the case functions in a source text, in order.
pub fn cases_of(source: &str) -> Vec<&str> {
    source
        .lines()
        .filter_map(|line| line.strip_prefix("pub async fn "))
        .filter_map(|rest| rest.split_once('(').map(|(name, _)| name))
        .collect()
}

/// The namespace the migrations make.
pub fn default_namespace() -> NamespaceName {
    namespace("default")
}

/// A namespace's name.
pub fn namespace(name: &str) -> NamespaceName {
    NamespaceName::new(name).expect("a valid namespace")
}

/// A workflow id.
pub fn workflow_id(text: &str) -> WorkflowId {
    WorkflowId::new(text).expect("a valid workflow id")
}

/// A request id.
pub fn request_id(text: &str) -> RequestId {
    RequestId::new(text).expect("a valid request id")
}

/// A type name.
pub fn type_name(text: &str) -> TypeName {
    TypeName::new(text).expect("a valid type name")
}

/// The run id with this number.
pub fn run_id(number: u128) -> RunId {
    RunId(Uuid::from_u128(number))
}

/// An open run of the default namespace, started at [`START`].
pub fn execution(workflow: &str, number: u128) -> Execution {
    execution_in("default", workflow, number)
}

/// An open run, started at [`START`].
pub fn execution_in(namespace_name: &str, workflow: &str, number: u128) -> Execution {
    let namespace = namespace(namespace_name);
    let workflow_id = workflow_id(workflow);
    Execution {
        key: RunKey { hash: WorkflowHash::of(&namespace, &workflow_id), run_id: run_id(number) },
        namespace,
        workflow_id,
        workflow_type: type_name("shop.order"),
        module_digest: ModuleDigest::of(b"module"),
        request_id: None,
        status: ExecutionStatus::Running,
        blocked: None,
        attributes: RunAttributes::default(),
        started_at: START,
        closed_at: None,
        delayed_until: None,
        parent: None,
        history_size: None,
        task_queue: None,
    }
}

/// An event at [`START`].
pub fn event(id: u64, attributes: EventAttributes) -> HistoryEvent {
    HistoryEvent { id: EventId(id), time: START, attributes }
}

/// A small event with nothing of interest.
pub fn any_event(id: u64) -> HistoryEvent {
    event(
        id,
        EventAttributes::TimerFired { started_event_id: EventId(id), operation_id: OperationId(1) },
    )
}

/// A transition that changes nothing yet.
pub fn transition(key: RunKey) -> RunTransition {
    RunTransition::new(key)
}

/// A transition that appends events.
pub fn append(key: RunKey, events: impl IntoIterator<Item = HistoryEvent>) -> RunTransition {
    RunTransition { events: events.into_iter().collect(), ..transition(key) }
}

/// The transition that starts a run: its row and its first event.
pub fn start(execution: &Execution) -> RunTransition {
    let started = WorkflowExecutionStarted {
        workflow_type: execution.workflow_type.clone(),
        module_digest: execution.module_digest,
        input: Payload::from(b"{}".to_vec()),
        engine_version: 1,
        request_id: execution.request_id.clone(),
        environment: BTreeMap::new(),
        arguments: Vec::new(),
        continued_from: None,
        initial_signals: 0,
        parent: None,
        options: RunOptions::default(),
        chain: Chain::default(),
    };
    let first = event(1, EventAttributes::WorkflowExecutionStarted(Box::new(started)));
    RunTransition {
        execution: ExecutionChange::Insert(Box::new(execution.clone())),
        ..append(execution.key, [first])
    }
}

/// The same of a child.
pub fn start_of_child(child: &Execution, parent: ParentExecution) -> RunTransition {
    let mut start = start(child);
    if let EventAttributes::WorkflowExecutionStarted(started) = &mut start.events[0].attributes {
        started.parent = Some(Box::new(parent));
    }
    start
}

/// What a child knows of its parent.
pub fn parent_execution(workflow: &str, run_id: RunId) -> ParentExecution {
    ParentExecution {
        workflow_id: workflow_id(workflow),
        run_id,
        initiated_event_id: EventId(7),
        parent_close_policy: ParentClosePolicy::default(),
        root: RootExecution { workflow_id: workflow_id("root"), run_id: self::run_id(9) },
        generation: 1,
    }
}

/// The transition that closes a run with event `id`.
pub fn close(execution: &Execution, id: u64) -> RunTransition {
    let closing = EventAttributes::WorkflowExecutionCompleted { result: Payload::default() };
    RunTransition {
        execution: ExecutionChange::Update(Box::new(ExecutionUpdate {
            status: ExecutionStatus::Completed,
            blocked: None,
            closed_at: Some(at(1)),
            module_digest: None,
            attributes: None,
            tags: None,
            history_size: None,
        })),
        ..append(execution.key, [event(id, closing)])
    }
}

/// What [`close`] makes of a run.
pub fn closed(execution: &Execution) -> Execution {
    Execution { status: ExecutionStatus::Completed, closed_at: Some(at(1)), ..execution.clone() }
}

/// A workflow's timer.
pub fn timer(key: RunKey, event_id: u64, fire_at: Timestamp) -> TimerRow {
    TimerRow { key, event_id: EventId(event_id), fire_at, kind: TimerKind::Timer }
}

/// The event that starts such a timer.
pub fn timer_started(id: u64, fire_at: Timestamp) -> HistoryEvent {
    event(id, EventAttributes::TimerStarted { operation_id: OperationId(1), fire_at })
}

/// A unit of one or several transitions.
pub fn unit(transitions: impl IntoIterator<Item = RunTransition>) -> CommitUnit {
    CommitUnit { transitions: transitions.into_iter().collect() }
}

/// The node with this number.
pub fn node(number: u128) -> NodeId {
    NodeId(Uuid::from_u128(number))
}

/// A store together with the right to write to it.
#[derive(Clone)]
pub struct Owned {
    /// The store.
    pub store: Arc<dyn Store>,
    /// All shards, taken for node 1.
    pub ownership: Ownership,
}

impl Owned {
    /// Takes all shards.
    pub async fn of(store: Arc<dyn Store>) -> Self {
        let ownership = store.acquire_all_shards(node(1)).await.expect("shards are free");
        Self { store, ownership }
    }

    /// Commits transitions, each as a unit of its own, in one commit.
    pub async fn commit(&self, transitions: impl IntoIterator<Item = RunTransition>) -> Result<()> {
        let units: Vec<_> = transitions.into_iter().map(|it| unit([it])).collect();
        self.store.commit(&self.ownership, &units).await
    }

    /// Starts runs in one commit.
    pub async fn start(&self, executions: &[&Execution]) {
        let starts = executions.iter().map(|execution| start(execution));
        self.commit(starts).await.expect("the runs start");
    }

    /// The whole history of a run.
    pub async fn history(&self, key: RunKey) -> Vec<HistoryEvent> {
        self.store.load_history(key, EventId::FIRST, 100_000).await.expect("history")
    }

    /// The tasks of a run.
    pub async fn tasks(&self, run: &Execution) -> Vec<TaskPlace> {
        self.store.run_tasks(run.key).await.expect("tasks")
    }

    /// Leases tasks.
    pub async fn claim(&self, claim: &TaskClaim) -> Vec<ClaimedTask> {
        self.store.claim_tasks(claim).await.expect("claims")
    }

    /// The run with this key's id, as stored.
    pub async fn stored(&self, execution: &Execution) -> Option<Execution> {
        let Execution { namespace, workflow_id, key, .. } = execution;
        self.store
            .find_execution(namespace, workflow_id, Some(key.run_id))
            .await
            .expect("execution")
    }
}

/// Asserts that a commit was refused by a unique key.
#[track_caller]
pub fn assert_conflict(result: Result<()>) {
    assert!(matches!(result, Err(crate::error::StoreError::Conflict { .. })), "{result:?}");
}

/// Asserts that a commit was refused because something is missing that was
/// acknowledged, and what.
#[track_caller]
pub fn assert_went_back(result: Result<()>, missing: &str) {
    match result {
        Err(crate::error::StoreError::WentBack { what }) if what.contains(missing) => {}
        other => panic!("{other:?}"),
    }
}

/// Asserts that a commit was refused because of a newer owner.
#[track_caller]
pub fn assert_fenced(result: Result<()>) {
    assert!(matches!(result, Err(crate::error::StoreError::Fenced { .. })), "{result:?}");
}

/// The event that schedules an activity, with every optional part.
pub fn activity_scheduled(id: u64) -> HistoryEvent {
    let mut samples = super::samples::every_event().into_iter();
    let scheduled = samples.find(|it| matches!(it, EventAttributes::ActivityTaskScheduled { .. }));
    event(id, scheduled.expect("there is a sample of every event"))
}

/// A task queue's name.
pub fn queue(name: &str) -> QueueName {
    QueueName::new(name).expect("a valid queue")
}

/// A task of the queue `emails` that may be handed out from [`START`] on.
pub fn task(run: &Execution, event_id: u64) -> TaskRow {
    TaskRow {
        key: run.key,
        event_id: EventId(event_id),
        namespace: run.namespace.clone(),
        queue: queue("emails"),
        activity_type: type_name("send"),
        priority: Priority::default(),
        fairness_key: None,
        fairness_rank: 0,
        visible_at: START,
        expires_at: None,
        attempt: TaskAttempt {
            number: 1,
            start_to_close: Duration::from_secs(60),
            heartbeat: None,
            close_by: None,
            last_failure: None,
            details: None,
        },
        lease_epoch: 0,
    }
}

/// The same with every optional part.
pub fn full_task(run: &Execution, event_id: u64) -> TaskRow {
    TaskRow {
        priority: Priority::ALL[4],
        fairness_key: Some(FairnessKey::new("tenant 'é'").expect("a valid key")),
        fairness_rank: i64::MIN,
        visible_at: at(-1),
        expires_at: Some(at(3_600_000_000)),
        attempt: TaskAttempt {
            number: u32::MAX,
            start_to_close: Duration::from_micros(90_000_001),
            heartbeat: Some(Duration::from_micros(7_000_001)),
            close_by: Some(at(7_200_000_000)),
            last_failure: Some(super::samples::failure()),
            details: Some(Payload::from(vec![0, 255, 39])),
        },
        lease_epoch: 7,
        ..task(run, event_id)
    }
}

/// That task in the hands of a worker since [`START`].
pub fn leased(task: TaskRow) -> LeasedTask {
    let lease = Lease {
        worker: WorkerIdentity::new("worker 'é'").expect("a valid identity"),
        token_digest: [0xff; 16],
        started_at: START,
        expires_at: at(10_000_000),
        duration: Duration::from_secs(10),
        cancel_requested: false,
        paused: false,
    };
    LeasedTask { task: TaskRow { lease_epoch: task.lease_epoch + 1, ..task }, lease }
}

/// The transition that changes tasks and nothing else.
pub fn change(run: &Execution, tasks: impl IntoIterator<Item = TaskChange>) -> RunTransition {
    RunTransition { tasks: tasks.into_iter().collect(), ..transition(run.key) }
}

/// The transition that starts a run with tasks, each with its event; they count from 2.
pub fn start_with(run: &Execution, tasks: impl IntoIterator<Item = TaskRow>) -> RunTransition {
    let mut transition = start(run);
    for task in tasks {
        transition.events.push(activity_scheduled(task.event_id.0));
        transition.tasks.push(TaskChange::Enqueue(Box::new(task)));
    }
    transition
}

/// What a worker asks the queue `emails` for at a time: any tasks, for 10 s.
pub fn claim(now: Timestamp) -> TaskClaim {
    TaskClaim {
        namespace: default_namespace(),
        queue: queue("emails"),
        activity_types: Vec::new(),
        except_keys: Vec::new(),
        worker: WorkerIdentity::new("worker").expect("a valid identity"),
        token_digest: [7; 16],
        lease: Duration::from_secs(10),
        now,
        limit: 100,
        bytes_max: u64::MAX,
    }
}
