//! Forgetting runs and modules.

use std::sync::Arc;

use bytes::Bytes;
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::{ModuleName, NamespaceName, QueryName, RunKey, UpdateId, UpdateName};
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};
use dacapo_model::payload::Payload;
use dacapo_model::update::{AdmittedUpdate, Update};

use super::fixtures::*;
use crate::Store;
use crate::commit::{ExecutionChange, RunTransition};
use crate::deletion::{ClosedRun, ModuleDeletion, RunDeletion};
use crate::module::NewModule;
use crate::shard::HashRange;

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("deletion.rs");

fn module_name(text: &str) -> ModuleName {
    ModuleName::new(text).expect("a valid name")
}

async fn put(owned: &Owned, name: &str, content: &[u8]) {
    let module = NewModule {
        namespace: default_namespace(),
        name: module_name(name),
        digest: ModuleDigest::of(content),
        bytes: Bytes::copy_from_slice(content),
        definitions: ModuleDefinitions { workflows: Vec::new(), activities: Vec::new() },
        created_at: START,
    };
    owned.store.put_module(&owned.ownership, module).await.expect("keeps the module");
}

async fn delete(owned: &Owned, name: &str, version: Option<u32>) -> ModuleDeletion {
    let (namespace, name) = (default_namespace(), module_name(name));
    let deleted = owned.store.delete_modules(&owned.ownership, &namespace, &name, version).await;
    deleted.expect("decides")
}

async fn delete_run(owned: &Owned, key: RunKey) -> RunDeletion {
    owned.store.delete_run(&owned.ownership, key).await.expect("decides")
}

async fn is_kept(store: &Arc<dyn Store>, content: &[u8]) -> bool {
    store.module_bytes(ModuleDigest::of(content)).await.expect("reads").is_some()
}

/// A timer, an update and a published value.
fn keeps(execution: &Execution) -> RunTransition {
    let update = Update {
        id: UpdateId::new("u").expect("valid"),
        name: UpdateName::new("add").expect("valid"),
        input: Payload::default(),
    };
    RunTransition {
        timers_set: vec![timer(execution.key, 2, at(100))],
        updates_set: vec![AdmittedUpdate { update, admitted_at: START }],
        query_results_set: vec![(status(), Payload::from(b"open".to_vec()))],
        ..append(execution.key, [timer_started(2, at(100))])
    }
}

fn status() -> QueryName {
    QueryName::new("status").expect("valid")
}

/// How many timers, updates and published values are kept of a run.
async fn kept(store: &Arc<dyn Store>, key: RunKey) -> [usize; 3] {
    let timers = store.run_timers(&[key]).await.expect("reads").len();
    let due = store.due_timers(&[HashRange::ALL], at(1_000), None, 100).await.expect("reads");
    assert_eq!(due.iter().filter(|at| at.key == key).count(), timers);
    let updates = store.run_updates(&[key]).await.expect("reads").len();
    let names = store.query_result_names(key).await.expect("reads").len();
    [timers, updates, names]
}

/// And nothing of any other, also of the same workflow id. A repeat finds nothing.
pub async fn a_closed_run_is_deleted_with_all_that_is_kept_of_it(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let (gone, stays) = (execution("order-1", 1), execution("order-1", 2));
    owned.start(&[&gone]).await;
    owned.commit([keeps(&gone)]).await.expect("commits");
    // Its rows are left, as a run that closes may leave some.
    owned.commit([close(&gone, 3)]).await.expect("closes");
    owned.start(&[&stays]).await;
    owned.commit([keeps(&stays)]).await.expect("commits");
    assert_eq!(kept(&store, gone.key).await, [1, 1, 1]);
    assert_eq!(delete_run(&owned, gone.key).await, RunDeletion::Deleted);
    assert_eq!(owned.stored(&gone).await, None);
    assert_eq!(owned.history(gone.key).await, []);
    assert_eq!(kept(&store, gone.key).await, [0, 0, 0]);
    assert_eq!(store.query_result(gone.key, &status()).await.expect("reads"), None);
    assert_eq!(owned.stored(&stays).await, Some(stays.clone()));
    assert_eq!(owned.history(stays.key).await.len(), 2);
    assert_eq!(kept(&store, stays.key).await, [1, 1, 1]);
    assert_eq!(delete_run(&owned, gone.key).await, RunDeletion::Unknown);
}

/// Those first that closed first, page by page, and none of another namespace.
pub async fn closed_runs_are_found_by_when_they_closed(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let mut closed = Vec::new();
    for (run, seconds) in [(1, 30), (2, 10), (3, 20), (4, 20), (5, 40)] {
        let run = execution(&format!("order-{run}"), run);
        owned.start(&[&run]).await;
        let mut closes = close(&run, 2);
        let ExecutionChange::Update(summary) = &mut closes.execution else { panic!("it closes") };
        summary.closed_at = Some(at(seconds));
        owned.commit([closes]).await.expect("closes");
        closed.push(ClosedRun { key: run.key, closed_at: at(seconds) });
    }
    owned.start(&[&execution("open", 6)]).await;
    closed.sort_by_key(ClosedRun::place);
    let namespace = default_namespace();
    let find = async |before, after, limit| {
        store.closed_runs(&namespace, at(before), after, limit).await.expect("reads")
    };
    assert_eq!(find(40, None, 100).await, closed[..4], "the last is not due");
    assert_eq!(find(41, None, 2).await, closed[..2]);
    assert_eq!(find(41, Some(closed[1]), 2).await, closed[2..4]);
    assert_eq!(find(41, Some(closed[4]), 2).await, []);
    let elsewhere = NamespaceName::new("elsewhere").expect("valid");
    assert_eq!(store.closed_runs(&elsewhere, at(41), None, 9).await.expect("reads"), []);
}

/// The next owner may have started runs with the module, and have committed the end of
/// the run last.
pub async fn a_former_owner_deletes_nothing(store: Arc<dyn Store>) {
    let former = Owned::of(store.clone()).await;
    put(&former, "shop", b"one").await;
    put(&former, "shop", b"two").await;
    let run = execution("order-1", 1);
    former.start(&[&run]).await;
    former.commit([close(&run, 2)]).await.expect("closes");
    let next = store.acquire_all_shards(node(2)).await.expect("takes");
    let (namespace, name) = (default_namespace(), module_name("shop"));
    for version in [Some(1), Some(7), None] {
        let deleted = store.delete_modules(&former.ownership, &namespace, &name, version).await;
        assert_fenced(deleted.map(drop));
    }
    for key in [run.key, execution("unknown", 2).key] {
        assert_fenced(store.delete_run(&former.ownership, key).await.map(drop));
    }
    assert_eq!(store.all_modules().await.expect("lists").len(), 2);
    assert!(is_kept(&store, b"one").await);
    assert_eq!(former.history(run.key).await.len(), 2);
    let next = Owned { store, ownership: next };
    assert_eq!(delete_run(&next, run.key).await, RunDeletion::Deleted);
    assert_eq!(delete(&next, "shop", None).await, ModuleDeletion::Deleted(vec![1, 2]));
}

/// Whatever it waits for.
pub async fn an_open_run_is_not_deleted(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    assert_eq!(delete_run(&owned, run.key).await, RunDeletion::Open);
    assert_eq!(owned.stored(&run).await, Some(run.clone()));
    assert_eq!(owned.history(run.key).await, start(&run).events);
}

/// What is forgotten takes no key any more.
pub async fn a_deleted_run_frees_its_request_id(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let mut run = execution("order-1", 1);
    run.request_id = Some(request_id("r"));
    owned.start(&[&run]).await;
    owned.commit([close(&run, 2)]).await.expect("closes");
    assert_eq!(delete_run(&owned, run.key).await, RunDeletion::Deleted);
    let mut again = execution("order-1", 2);
    again.request_id = Some(request_id("r"));
    owned.start(&[&again]).await;
    let (namespace, id) = (&again.namespace, &again.workflow_id);
    let found = owned.store.find_execution_by_request(namespace, id, &request_id("r")).await;
    assert_eq!(found.expect("reads").map(|run| run.key), Some(again.key));
}

/// The others stay, and so does a content that they have as well.
pub async fn a_version_is_deleted_with_its_content(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    for (name, content) in [("shop", b"one"), ("shop", b"two"), ("other", b"two")] {
        put(&owned, name, content).await;
    }
    assert_eq!(delete(&owned, "shop", Some(1)).await, ModuleDeletion::Deleted(vec![1]));
    assert!(!is_kept(&store, b"one").await);
    assert_eq!(delete(&owned, "shop", Some(2)).await, ModuleDeletion::Deleted(vec![2]));
    assert!(is_kept(&store, b"two").await);
    let left = store.all_modules().await.expect("lists");
    let left: Vec<_> = left.iter().map(|it| (it.name.as_str(), it.version)).collect();
    assert_eq!(left, [("other", 1)]);
    assert_eq!(delete(&owned, "shop", Some(2)).await, ModuleDeletion::Deleted(vec![]));
}

/// A name that was given up may be used again.
pub async fn all_versions_of_a_module_are_deleted_together(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    put(&owned, "shop", b"one").await;
    put(&owned, "shop", b"two").await;
    assert_eq!(delete(&owned, "shop", None).await, ModuleDeletion::Deleted(vec![1, 2]));
    assert_eq!(store.all_modules().await.expect("lists"), []);
    assert!(!is_kept(&store, b"one").await && !is_kept(&store, b"two").await);
    assert_eq!(delete(&owned, "shop", None).await, ModuleDeletion::Deleted(vec![]));
    put(&owned, "shop", b"three").await;
    assert_eq!(store.all_modules().await.expect("lists")[0].version, 1);
}

/// Until it closes; a blocked run is open. Another version with the content will do.
pub async fn a_content_that_an_open_run_needs_is_kept(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    put(&owned, "shop", b"module").await;
    put(&owned, "shop", b"two").await;
    let run = execution("order-1", 1);
    assert_eq!(run.module_digest, ModuleDigest::of(b"module"));
    owned.start(&[&run]).await;
    let needed =
        ModuleDeletion::Needed { workflow_id: run.workflow_id.clone(), run_id: run.key.run_id };
    assert_eq!(delete(&owned, "shop", Some(1)).await, needed);
    assert_eq!(delete(&owned, "shop", None).await, needed);
    assert_eq!(store.all_modules().await.expect("lists").len(), 2, "neither is gone");
    assert_eq!(delete(&owned, "shop", Some(2)).await, ModuleDeletion::Deleted(vec![2]));

    put(&owned, "copy", b"module").await;
    assert_eq!(delete(&owned, "copy", None).await, ModuleDeletion::Deleted(vec![1]));
    assert!(is_kept(&store, b"module").await);
    owned.commit([close(&run, 2)]).await.expect("closes");
    assert_eq!(owned.stored(&run).await.map(|run| run.status), Some(ExecutionStatus::Completed));
    assert_eq!(delete(&owned, "shop", Some(1)).await, ModuleDeletion::Deleted(vec![1]));
    assert!(!is_kept(&store, b"module").await);
    assert_eq!(owned.history(run.key).await.len(), 2, "its history is still there");
}
