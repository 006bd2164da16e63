//! A node that has lost its shards acknowledges and answers nothing any more.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::IdConflictPolicy;
use dacapo_model::ids::{EventId, OperationId, QueryName, RunId, RunKey, UpdateId, WorkflowHash};
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_model::task_token::TaskToken;
use dacapo_service::Runtime;
use dacapo_service::clock::SystemClock;
use dacapo_service::config::{ServiceConfig, Tenure};
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{ActivityRef, RejectIf, Report, UpdateWait};
use dacapo_store::Store;
use dacapo_store::faulty::{Call, Fault, Operation};
use dacapo_store::shard::{NodeId, OwnerLife};
use futures::FutureExt as _;
use support::guests::ScriptedHost;
use support::*;
use uuid::Uuid;

fn leased() -> ServiceConfig {
    ServiceConfig { tenure: Tenure::Leased { take_over: false }, ..ServiceConfig::default() }
}

/// What every answer of a displaced node must be.
#[track_caller]
fn refused<T: std::fmt::Debug>(what: &str, answer: Result<T, ServiceError>) {
    match answer {
        Err(error) if error.code == ErrorCode::Unavailable => {}
        other => panic!("{what}: {other:?}"),
    }
}

/// A node with an open run `f` and a module, whose shards another took unseen.
async fn displaced() -> (Node, Arc<dyn Store>, Arc<ScriptedHost>) {
    let (host, store) = (ScriptedHost::new(), memory());
    let first = start(store.clone(), &host).await;
    first.start_run(request("collect", "f", "5")).await.expect("started");
    first.describe_run(&run_ref("f")).await.expect("it is its own");
    store.acquire_all_shards(NodeId(Uuid::max())).await.expect("takes");
    (first, store, host)
}

#[tokio::test]
async fn an_upload_that_the_next_owner_would_not_know_is_not_acknowledged() {
    let (first, store, host) = displaced().await;
    let name = "late".parse().expect("valid");
    let late = first.upload_module(&name, Bytes::from_static(b"late")).await;
    refused("a new module", late);
    tokio::time::timeout(PATIENCE, first.ownership_lost()).await.expect("it knows");
    let second = start(store, &host).await;
    let unknown = second.module_versions(&name).await;
    assert_eq!(unknown.expect_err("not kept").code, ErrorCode::ModuleNotFound);
}

#[tokio::test]
async fn a_module_that_is_there_already_is_not_acknowledged_either() {
    let (first, _, _) = displaced().await;
    let name = "scripted".parse().expect("valid");
    let again = first.upload_module(&name, Bytes::from_static(b"scripted")).await;
    refused("a known module", again);
}

/// Each on a node of its own: the first that notices would spare the others.
#[tokio::test]
async fn nothing_is_answered_from_memory_once_another_node_has_the_runs() {
    let run = run_ref("f");
    refused("describe", displaced().await.0.describe_run(&run).await);
    refused("history", displaced().await.0.run_history(&run, EventId::FIRST, 10).await);
    refused(
        "follow",
        displaced()
            .await
            .0
            .follow_history(&run, EventId::FIRST)
            .await
            .map(|follower| follower.run_id),
    );
    refused("waiting", displaced().await.0.describe_waiting(&run).await);
    refused("modules", displaced().await.0.list_modules(None, 1).await);
    let query = Query { name: QueryName::new("state").expect("valid"), input: Payload::default() };
    refused("query", displaced().await.0.query_run(&run, query, RejectIf::None).await);
    let wait = UpdateWait { wait_for: Default::default(), wait: Duration::ZERO };
    let update = UpdateId::new("unknown").expect("valid");
    refused("update", displaced().await.0.describe_update(&run, update, wait).await);
    // What is refused or found without a commit.
    refused("retry", displaced().await.0.retry_run(&run).await);
    let mut start = request("collect", "f", "5");
    refused("start, refused", displaced().await.0.start_run(start.clone()).await);
    start.conflict_policy = Some(IdConflictPolicy::UseExisting);
    refused("start, found", displaced().await.0.start_run(start).await);
    let unknown = displaced().await.0.start_run(request("of_a_later_module", "g", "")).await;
    refused("start, unknown type", unknown);
    refused("result", displaced().await.0.run_result(&run, Duration::ZERO).await);
}

/// Whoever hears that there is no such activity throws its outcome away.
#[tokio::test]
async fn an_outcome_is_not_refused_by_a_node_that_does_not_know_the_run_any_more() {
    let hash = WorkflowHash::of(&namespace(), &run_ref("later").workflow_id);
    let key = RunKey { hash, run_id: RunId(Uuid::from_u128(7)) };
    let token =
        TaskToken { key, scheduled_event_id: EventId(2), attempt: None, secret: Uuid::max() };
    let activities = [
        ActivityRef::Token(token),
        ActivityRef::Operation { run: run_ref("f"), operation_id: OperationId(1) },
    ];
    for activity in activities {
        let (first, ..) = displaced().await;
        let report = Report::Completed(Payload::new("done"));
        refused("outcome", first.report_activity(&activity, report).await);
        let (first, ..) = displaced().await;
        refused("heartbeat", first.heartbeat_activity(&activity, None).await.map(drop));
    }
}

/// What it sees in memory may be long past.
#[tokio::test]
async fn a_displaced_node_neither_deletes_nor_says_that_something_is_needed() {
    let (first, store, host) = displaced().await;
    let second = start(store.clone(), &host).await;
    let key = second.describe_run(&run_ref("f")).await.expect("there").execution.key;
    second.terminate_run(&run_ref("f"), String::new()).await.expect("terminated");
    refused("run", first.delete_run(&run_ref("f"), key.run_id).await);
    for version in [None, Some(1)] {
        let (first, ..) = displaced().await;
        let name = "scripted".parse().expect("valid");
        refused("module", first.delete_module(&name, version).await);
        assert!(first.ownership_lost().now_or_never().is_some(), "it knows");
    }
    assert_eq!(second.delete_run(&run_ref("f"), key.run_id).await, Ok(true));
}

#[tokio::test]
async fn a_displaced_node_is_not_ready_at_the_first_look() {
    let (first, _, _) = displaced().await;
    assert!(first.is_ready(), "it does not know yet");
    refused("the store", first.check_store().await);
    assert!(!first.is_ready());
    refused("a start", first.start_run(request("forever", "g", "")).await);
}

/// The answer is lost, but the module is there.
#[tokio::test]
async fn the_catalog_follows_an_upload_that_seemed_to_fail() {
    let (host, calls) = (ScriptedHost::new(), Calls::default());
    let store = scripted(memory(), &calls, |call: Call| match call.operation {
        Operation::PutModule if call.number == 2 => Fault::DoneButUnavailable,
        // The first time to read them again is one too early.
        Operation::AllModules if call.number == 2 => Fault::Unavailable,
        _ => Fault::None,
    });
    let runtime = start(store, &host).await;
    let name = "seemed".parse().expect("valid");
    refused("upload", runtime.upload_module(&name, Bytes::from_static(b"it")).await);
    let known = async {
        while runtime.module_versions(&name).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, known).await.expect("it is known");
}

#[tokio::test]
async fn a_node_that_stops_in_order_leaves_no_lease_and_one_that_is_taken_over_ends() {
    let (host, store) = (ScriptedHost::new(), memory());
    let first = start_with(store.clone(), &host, leased()).await;
    let life = || async { store.owner().await.expect("says who").expect("there is one").life };
    assert!(matches!(life().await, OwnerLife::Leased(_)));
    first.shutdown().await;
    assert_eq!(life().await, OwnerLife::Ended);

    let second = start_with(store.clone(), &host, leased()).await;
    let over = Tenure::Leased { take_over: true };
    let third = start_with(store.clone(), &host, ServiceConfig { tenure: over, ..leased() }).await;
    refused("a start", second.start_run(request("forever", "g", "")).await);
    tokio::time::timeout(PATIENCE, second.ownership_lost()).await.expect("it knows");
    // Its end does not end the lease of the one that came after.
    second.shutdown().await;
    assert!(matches!(life().await, OwnerLife::Leased(_)));
    third.start_run(request("sequential", "g", "1")).await.expect("it works");
}

/// Also one that has nothing to do: when it renews its lease.
#[tokio::test]
async fn an_idle_node_notices_that_it_was_taken_over() {
    let (host, store) = (ScriptedHost::new(), memory());
    let first = start_with(store.clone(), &host, leased()).await;
    store.acquire_all_shards(NodeId(Uuid::max())).await.expect("takes");
    tokio::time::timeout(PATIENCE, first.ownership_lost()).await.expect("it notices");
}

/// The lease, the run that was woken, and the attempt that it makes.
#[tokio::test]
async fn a_start_that_fails_leaves_nothing_running() {
    let (host, inner) = (ScriptedHost::new(), memory());
    let first = start_with(inner.clone(), &host, leased()).await;
    first.start_run(request("gated", "g", "1")).await.expect("started");
    first.halt().await;
    let calls = Calls::default();
    let store = scripted(inner.clone(), &calls, |call: Call| match call.operation {
        // After the run was found and woken.
        Operation::OpenExecutions if call.number == 2 => Fault::Unavailable,
        _ => Fault::None,
    });
    let clock = Arc::new(SystemClock);
    let failed = Runtime::start(store, host.clone(), clock, leased()).await.map(drop);
    refused("the start", failed);
    let life = inner.owner().await.expect("says who").expect("there is one").life;
    assert_eq!(life, OwnerLife::Ended, "the lease is given back");
    let left = calls.total();
    host.gate.add_permits(1);
    let second = start_with(inner, &host, leased()).await;
    result(&second, "g").await;
    assert_eq!(calls.total(), left, "nobody asks that store any more");
}
