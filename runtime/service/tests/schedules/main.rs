//! Schedules: runs that are started at certain times.

mod ends;
mod overlap;
mod requests;
#[path = "../support/mod.rs"]
mod support;
mod times;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use dacapo_model::attributes::RunAttributes;
use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::event::{ExportFormat, ExportedEvent, ExportedHistory};
use dacapo_model::execution::IdReusePolicy;
use dacapo_model::ids::{EventId, RunId, ScheduleId, TypeName};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_service::Runtime;
use dacapo_service::clock::{Clock, SystemClock};
use dacapo_service::config::ServiceConfig;
use dacapo_service::operations::{
    ActionStatus, ActionsAsked, CATCHUP_WINDOW_DEFAULT, CreateScheduleRequest, OverlapPolicy,
    RunRef, ScheduleAction, ScheduleDefinition, ScheduleDescription, SchedulePolicies,
    ScheduleSpec, WORKFLOW_ID_DEFAULT,
};
use dacapo_store::Store;
use futures::future::BoxFuture;
use support::guests::ScriptedHost;
use support::*;
use tokio::time::Instant;

const HOUR: i64 = 3_600_000_000;

/// The machine's clock, set to another time.
#[derive(Clone, Default)]
struct SetClock(Arc<AtomicI64>);

impl SetClock {
    /// So that a minute has just begun when it is read first.
    fn step(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }

    /// Half an hour after some hour.
    fn at_half_past() -> Self {
        let clock = Self::default();
        clock.step(HOUR + HOUR / 2 - SystemClock.now().as_micros() % HOUR);
        clock
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        let offset = self.0.load(Ordering::SeqCst);
        Timestamp::from_micros(SystemClock.now().as_micros() + offset)
    }

    fn instant(&self) -> Instant {
        SystemClock.instant()
    }

    fn wait_until(&self, instant: Instant) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep_until(instant))
    }
}

/// A node whose clock is set.
async fn start_at(store: &Arc<dyn Store>, clock: &SetClock) -> Node {
    let host = ScriptedHost::new();
    // The module that goes with the scripted host.
    let first = start(store.clone(), &host).await;
    first.halt().await;
    let config = ServiceConfig::default();
    let runtime = Runtime::start(store.clone(), host, Arc::new(clock.clone()), config).await;
    Node::new(runtime.expect("starts"))
}

fn id(id: &str) -> ScheduleId {
    ScheduleId::new(id).expect("valid")
}

fn run_id_of(id: &str) -> String {
    BuiltinWorkflow::Schedule.workflow_id(id).expect("valid").to_string()
}

fn crons(text: &str) -> ScheduleSpec {
    ScheduleSpec { crons: vec![text.to_owned()], ..ScheduleSpec::default() }
}

fn definition(spec: ScheduleSpec, workflow: &str, input: &str) -> ScheduleDefinition {
    ScheduleDefinition {
        spec,
        action: ScheduleAction {
            workflow_type: TypeName::new(workflow).expect("valid"),
            workflow_id: WORKFLOW_ID_DEFAULT.to_owned(),
            module: None,
            input: Payload::new(input.to_owned()),
            reuse_policy: IdReusePolicy::default(),
            run_timeout: None,
            execution_timeout: None,
            retry: None,
            attributes: RunAttributes::default(),
            inferred: BTreeSet::new(),
        },
        policies: SchedulePolicies {
            overlap: OverlapPolicy::default(),
            catchup_window: CATCHUP_WINDOW_DEFAULT,
            pause_on_failure: false,
        },
    }
}

fn request(name: &str, definition: ScheduleDefinition) -> CreateScheduleRequest {
    CreateScheduleRequest {
        schedule_id: id(name),
        request_id: None,
        definition,
        environment: BTreeMap::new(),
        arguments: Vec::new(),
        paused: false,
        note: String::new(),
        remaining_actions: None,
    }
}

fn with_overlap(definition: ScheduleDefinition, overlap: OverlapPolicy) -> ScheduleDefinition {
    let policies = SchedulePolicies { overlap, ..definition.policies };
    ScheduleDefinition { policies, ..definition }
}

async fn create(node: &Node, name: &str, definition: ScheduleDefinition) {
    assert!(node.create_schedule(request(name, definition)).await.expect("made").1);
}

async fn describe(node: &Node, name: &str) -> ScheduleDescription {
    node.describe_schedule(&id(name)).await.expect("it is there")
}

/// Waits until the schedule is so.
async fn until(
    node: &Node,
    name: &str,
    what: impl Fn(&ScheduleDescription) -> bool,
) -> ScheduleDescription {
    let reached = async {
        loop {
            let described = describe(node, name).await;
            if what(&described) {
                return described;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, reached).await {
        Ok(described) => described,
        Err(_) => panic!("{:?}", describe(node, name).await),
    }
}

async fn trigger(node: &Node, name: &str, overlap: Option<OverlapPolicy>) -> ActionsAsked {
    node.trigger_schedule(&id(name), overlap, None).await.expect("asked")
}

fn ended(described: &ScheduleDescription) -> usize {
    let actions = described.status.recent_actions.iter();
    actions.filter(|action| action.status != ActionStatus::Running).count()
}

fn statuses(described: &ScheduleDescription) -> Vec<ActionStatus> {
    described.status.recent_actions.iter().map(|action| action.status).collect()
}

/// Writes the history of the latest run down, where somebody has asked for it.
async fn record(node: &Node, name: &str, workflow_id: &str) {
    record_run(node, name, workflow_id, None).await;
}

/// The same of a certain run.
async fn record_run(node: &Node, name: &str, workflow_id: &str, run_id: Option<RunId>) {
    let Some(folder) = std::env::var_os("DACAPO_WRITE_HISTORIES") else { return };
    let run = RunRef { run_id, ..run_ref(workflow_id) };
    let page = node.run_history(&run, EventId::FIRST, 1_000).await;
    let events = page.expect("readable").events;
    let run = node.describe_run(&run).await.expect("a run").execution;
    let exported = ExportedHistory {
        namespace: namespace(),
        workflow_id: run.workflow_id,
        run_id: run.key.run_id,
        events: events.into_iter().map(|event| ExportedEvent { event }).collect(),
        format: ExportFormat::V1,
    };
    let path = std::path::Path::new(&folder).join(format!("{name}.json"));
    std::fs::write(path, serde_json::to_vec(&exported).expect("plain data")).expect("written");
}
