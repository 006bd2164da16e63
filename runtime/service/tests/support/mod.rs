//! A real runtime over the memory store, with guests written in Rust against the
//! engine's cursor instead of Wasm.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::allow_attributes,
    reason = "shared by several test binaries"
)]

pub mod guests;
pub mod relations;
pub mod worker;

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::execution::{ExecutionStatus, IdConflictPolicy, IdReusePolicy};
use dacapo_model::ids::{EventId, NamespaceName, RunId, SignalName, TypeName, WorkflowId};
use dacapo_model::payload::Payload;
use dacapo_model::signal::Signal;
use dacapo_service::Runtime;
use dacapo_service::clock::SystemClock;
use dacapo_service::config::ServiceConfig;
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{RunRef, RunResult, StartOptions, StartRequest};
use dacapo_service::tenancy::{Principal, Tenant};
use dacapo_store::Store;
use dacapo_store::faulty::{Call, Fault, FaultyStore, Operation};
use dacapo_store::memory::MemoryStore;
use parking_lot::Mutex;

use self::guests::ScriptedHost;

/// Long enough for anything that is going to happen at all.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn namespace() -> NamespaceName {
    NamespaceName::new("default").expect("valid")
}

pub fn run_ref(workflow_id: &str) -> RunRef {
    RunRef { workflow_id: WorkflowId::new(workflow_id).expect("valid"), run_id: None }
}

pub fn request(workflow: &str, workflow_id: &str, input: &str) -> StartRequest {
    StartRequest {
        workflow_type: TypeName::new(workflow).expect("valid"),
        workflow_id: Some(WorkflowId::new(workflow_id).expect("valid")),
        request_id: None,
        input: Payload::from(input.as_bytes().to_vec()),
        module: None,
        reuse_policy: IdReusePolicy::default(),
        conflict_policy: Some(IdConflictPolicy::default()),
        environment: BTreeMap::new(),
        arguments: Vec::new(),
        options: StartOptions::default(),
        signal: None,
        update: None,
    }
}

pub fn signal(text: &str) -> Signal {
    Signal {
        name: SignalName::new("word").expect("valid"),
        input: Payload::new(text.to_owned()),
        request_id: None,
    }
}

/// What a run completed with.
pub fn completed_with(result: &RunResult) -> String {
    match result.closing.as_ref().map(|closing| &closing.attributes) {
        Some(EventAttributes::WorkflowExecutionCompleted { result }) => {
            String::from_utf8_lossy(result.as_bytes()).into_owned()
        }
        other => panic!("the run has not completed: {other:?}"),
    }
}

/// What the signals of a history say, in order.
pub fn signals_of(history: &[HistoryEvent]) -> Vec<String> {
    let signals = history.iter().filter_map(|event| Signal::of_event(&event.attributes));
    signals.map(|signal| String::from_utf8_lossy(signal.input.as_bytes()).into_owned()).collect()
}

/// What is not read for a run: commits, and what loops do now and then.
const LOOPS: [Operation; 5] = [
    Operation::Commit,
    Operation::DueTimers,
    Operation::ExpiredLeases,
    Operation::ExpiredTasks,
    Operation::NamespaceChanges,
];

/// Counts the calls that a store gets.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<HashMap<Operation, u64>>>);

impl Calls {
    pub fn count(&self, operation: Operation) -> u64 {
        self.0.lock().get(&operation).copied().unwrap_or(0)
    }

    pub fn clear(&self) {
        self.0.lock().clear();
    }

    /// Of any kind.
    pub fn total(&self) -> u64 {
        self.0.lock().values().sum()
    }

    /// All reads but those of the loops that look for timers and tasks.
    pub fn reads(&self) -> u64 {
        let calls = self.0.lock();
        calls
            .iter()
            .filter(|(operation, _)| !LOOPS.contains(operation))
            .map(|(_, count)| count)
            .sum()
    }
}

/// A store that counts its calls and fails as the script says.
pub fn scripted(
    inner: Arc<dyn Store>,
    calls: &Calls,
    script: impl Fn(Call) -> Fault + Send + Sync + 'static,
) -> Arc<dyn Store> {
    let calls = calls.clone();
    Arc::new(FaultyStore::new(inner, move |call| {
        *calls.0.lock().entry(call.operation).or_default() += 1;
        script(call)
    }))
}

/// All that may become of one commit, each of which must make no difference.
pub fn commit_faults() -> impl Iterator<Item = Fault> {
    let late = (1..=7).map(Fault::DoneLater);
    [Fault::Unavailable, Fault::DoneButUnavailable].into_iter().chain(late)
}

pub fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

/// A node, and who calls it.
#[derive(Clone)]
pub struct Node {
    runtime: Arc<Runtime>,
    tenant: Tenant,
}

impl Node {
    pub fn new(runtime: Arc<Runtime>) -> Self {
        let tenant = runtime.tenant(Principal::Local, &namespace()).expect("it is there");
        Self { runtime, tenant }
    }

    /// For what is asked of no namespace.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Who calls it in another namespace.
    pub fn tenant_of(&self, namespace: &NamespaceName) -> Result<Tenant, ServiceError> {
        self.runtime.tenant(Principal::Local, namespace)
    }

    pub fn is_ready(&self) -> bool {
        self.runtime.is_ready()
    }

    pub fn in_hand(&self) -> usize {
        self.runtime.in_hand()
    }

    pub async fn in_hand_at_most(&self, max: usize) {
        self.runtime.in_hand_at_most(max).await;
    }

    pub async fn check_store(&self) -> Result<(), ServiceError> {
        self.runtime.check_store().await
    }

    pub async fn store_went_back(&self) {
        self.runtime.store_went_back().await;
    }

    pub async fn ownership_lost(&self) {
        self.runtime.ownership_lost().await;
    }

    pub fn begin_shutdown(&self) {
        self.runtime.begin_shutdown();
    }

    pub async fn halt(&self) {
        self.runtime.halt().await;
    }

    pub async fn shutdown(&self) {
        self.runtime.shutdown().await;
    }
}

impl Deref for Node {
    type Target = Tenant;

    fn deref(&self) -> &Tenant {
        &self.tenant
    }
}

pub async fn start(store: Arc<dyn Store>, host: &Arc<ScriptedHost>) -> Node {
    start_with(store, host, ServiceConfig::default()).await
}

pub async fn start_with(
    store: Arc<dyn Store>,
    host: &Arc<ScriptedHost>,
    config: ServiceConfig,
) -> Node {
    let runtime = Runtime::start(store, host.clone(), Arc::new(SystemClock), config)
        .await
        .expect("the runtime starts");
    let runtime = Node::new(runtime);
    if runtime.list_modules(None, 1).await.expect("they are known").modules.is_empty() {
        let name = "scripted".parse().expect("valid");
        runtime
            .upload_module(&name, Bytes::from_static(b"scripted"))
            .await
            .expect("the upload is accepted");
    }
    runtime
}

pub async fn result(runtime: &Node, workflow_id: &str) -> RunResult {
    let result = runtime.run_result(&run_ref(workflow_id), PATIENCE).await.expect("there is a run");
    assert!(result.closing.is_some(), "{workflow_id} did not close: {result:?}");
    result
}

pub async fn history(runtime: &Node, workflow_id: &str) -> Vec<HistoryEvent> {
    let page =
        runtime.run_history(&run_ref(workflow_id), EventId::FIRST, 1_000).await.expect("readable");
    page.events
}

pub async fn event_types(runtime: &Node, workflow_id: &str) -> Vec<&'static str> {
    history(runtime, workflow_id).await.iter().map(|event| event.attributes.type_name()).collect()
}

/// Everything about a history but its times and its run's id.
pub fn sanitised(history: &[HistoryEvent]) -> Vec<EventAttributes> {
    history
        .iter()
        .map(|event| match &event.attributes {
            EventAttributes::TimerStarted { operation_id, .. } => EventAttributes::TimerStarted {
                operation_id: *operation_id,
                fire_at: dacapo_model::time::Timestamp::default(),
            },
            attributes => attributes.clone(),
        })
        .collect()
}

/// Follows the history until an event of this type is there.
pub async fn until_event(runtime: &Node, workflow_id: &str, event_type: &str) -> RunId {
    let mut follower = runtime
        .follow_history(&run_ref(workflow_id), EventId::FIRST)
        .await
        .expect("there is a run");
    let found = async {
        while let Some(events) = follower.next().await.expect("readable") {
            if events.iter().any(|event| event.attributes.type_name() == event_type) {
                return;
            }
        }
        panic!("{workflow_id} closed without {event_type}");
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the event comes");
    follower.run_id
}

pub async fn until(condition: impl AsyncFn() -> bool) {
    let reached = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("the condition is reached");
}

pub async fn until_status(runtime: &Node, workflow_id: &str, status: ExecutionStatus) {
    let reached = async {
        loop {
            let description = runtime.describe_run(&run_ref(workflow_id)).await.expect("a run");
            if description.execution.status == status {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("the status is reached");
}
