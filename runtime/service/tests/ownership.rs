//! A node that has lost its shards acknowledges and answers nothing any more.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::IdConflictPolicy;
use dacapo_model::ids::{EventId, QueryName, UpdateId};
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_service::Runtime;
use dacapo_service::config::{ServiceConfig, Tenure};
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{RejectIf, UpdateWait};
use dacapo_store::Store;
use dacapo_store::faulty::{Call, Fault, Operation};
use dacapo_store::shard::{NodeId, OwnerLife};
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
async fn displaced() -> (Arc<Runtime>, Arc<dyn Store>, Arc<ScriptedHost>) {
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
    let late = first.upload_module(&namespace(), &name, Bytes::from_static(b"late")).await;
    refused("a new module", late);
    tokio::time::timeout(PATIENCE, first.ownership_lost()).await.expect("it knows");
    let second = start(store, &host).await;
    let unknown = second.module_versions(&namespace(), &name).await;
    assert_eq!(unknown.expect_err("not kept").code, ErrorCode::ModuleNotFound);
}

#[tokio::test]
async fn a_module_that_is_there_already_is_not_acknowledged_either() {
    let (first, _, _) = displaced().await;
    let name = "scripted".parse().expect("valid");
    let again = first.upload_module(&namespace(), &name, Bytes::from_static(b"scripted")).await;
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
    refused("modules", displaced().await.0.list_modules(&namespace()).await);
    let query = Query { name: QueryName::new("state").expect("valid"), input: Payload::default() };
    refused("query", displaced().await.0.query_run(&run, query, RejectIf::None).await);
    let wait = UpdateWait { wait_for: Default::default(), wait: Duration::ZERO };
    let update = UpdateId::new("unknown").expect("valid");
    refused("update", displaced().await.0.describe_update(&run, update, wait).await);
    // What is refused or found without a commit.
    refused("retry", displaced().await.0.retry_run(&run).await);
    let mut start = request("collect", "f", "5");
    refused("start, refused", displaced().await.0.start_run(start.clone()).await);
    start.conflict_policy = IdConflictPolicy::UseExisting;
    refused("start, found", displaced().await.0.start_run(start).await);
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
    refused("upload", runtime.upload_module(&namespace(), &name, Bytes::from_static(b"it")).await);
    let known = async {
        while runtime.module_versions(&namespace(), &name).await.is_err() {
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
