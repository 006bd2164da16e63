//! Runs and modules are forgotten when nobody needs them any more, and not before.

mod support;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{ModuleName, NamespaceName, RunId, WorkflowHash, WorkflowId};
use dacapo_model::payload::Payload;
use dacapo_service::operations::{ExecutionFilter, Reapply, ResetPoint, ResetRequest, RunRef};
use dacapo_store::faulty::{Fault, Operation};
use dacapo_store::shard::HashRange;
use support::guests::ScriptedHost;
use support::*;
use tokio::sync::Semaphore;

fn scripted_name() -> ModuleName {
    "scripted".parse().expect("valid")
}

async fn upload(runtime: &Node, bytes: &'static [u8]) -> u32 {
    let bytes = Bytes::from_static(bytes);
    let uploaded = runtime.upload_module(&scripted_name(), bytes).await;
    uploaded.expect("accepted").0.version
}

async fn delete_version(runtime: &Node, version: Option<u32>) -> Result<Vec<u32>, String> {
    let deleted = runtime.delete_module(&scripted_name(), version).await;
    deleted.map_err(|error| error.code.as_str().to_owned())
}

async fn delete(runtime: &Node, workflow_id: &str, run_id: RunId) -> Result<bool, String> {
    let deleted = runtime.delete_run(&run_ref(workflow_id), run_id).await;
    deleted.map_err(|error| error.code.as_str().to_owned())
}

#[tokio::test]
async fn a_run_is_deleted_once_it_has_closed_and_its_id_is_forgotten() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let first = runtime.start_run(request("forever", "w", "")).await.expect("started").run_id;
    assert_eq!(delete(&runtime, "w", first).await, Err("run_needed".to_owned()));
    runtime.terminate_run(&run_ref("w"), String::new()).await.expect("terminated");
    let second = runtime.start_run(request("forever", "w", "")).await.expect("started").run_id;

    assert_eq!(delete(&runtime, "w", first).await, Ok(true));
    assert_eq!(delete(&runtime, "w", first).await, Ok(false), "a repeat finds it gone");
    let open = runtime.describe_run(&run_ref("w")).await.expect("the other is there");
    assert_eq!(open.execution.key.run_id, second);

    runtime.terminate_run(&run_ref("w"), String::new()).await.expect("terminated");
    assert_eq!(delete(&runtime, "w", second).await, Ok(true));
    let gone = runtime.describe_run(&run_ref("w")).await.expect_err("nothing is left");
    assert_eq!(gone.code.as_str(), "run_not_found");
}

#[tokio::test]
async fn a_child_stays_while_its_parent_is_open() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let parent = request("family", "parent", "gated 1 count=2");
    runtime.start_run(parent).await.expect("started");
    host.gate.add_permits(1);
    until_event(&runtime, "parent", "ChildWorkflowExecutionCompleted").await;
    let statuses = vec![ExecutionStatus::Completed];
    let filter = ExecutionFilter { statuses, ..ExecutionFilter::default() };
    let closed = runtime.list_runs(&filter, None, 10).await.expect("listed");
    let child = closed.executions.first().expect("one has closed");
    let (id, run_id) = (child.workflow_id.as_str().to_owned(), child.key.run_id);
    assert_eq!(delete(&runtime, &id, run_id).await, Err("run_needed".to_owned()));
    host.gate.add_permits(1);
    result(&runtime, "parent").await;
    assert_eq!(delete(&runtime, &id, run_id).await, Ok(true));
}

#[tokio::test]
async fn a_deletion_that_seemed_to_fail_can_be_repeated() {
    let host = ScriptedHost::new();
    let calls = Calls::default();
    let store = scripted(memory(), &calls, |call| match call.operation {
        Operation::DeleteRun | Operation::DeleteModules if call.number == 1 => {
            Fault::DoneButUnavailable
        }
        _ => Fault::None,
    });
    let runtime = start(store, &host).await;
    let run_id = runtime.start_run(request("forever", "w", "")).await.expect("started").run_id;
    runtime.terminate_run(&run_ref("w"), String::new()).await.expect("terminated");
    assert_eq!(delete(&runtime, "w", run_id).await, Err("unavailable".to_owned()));
    assert_eq!(delete(&runtime, "w", run_id).await, Ok(false));

    upload(&runtime, b"another").await;
    assert_eq!(delete_version(&runtime, Some(1)).await, Err("unavailable".to_owned()));
    // Memory follows by itself.
    until_versions(&runtime, &[2]).await;
    assert_eq!(delete_version(&runtime, Some(1)).await, Ok(vec![]));
    let left = runtime.module_versions(&scripted_name()).await.expect("there is one");
    assert_eq!(left.iter().map(|it| it.version).collect::<Vec<_>>(), [2], "memory follows");
}

async fn until_versions(runtime: &Node, expected: &[u32]) {
    let reached = async {
        loop {
            let versions = runtime.module_versions(&scripted_name()).await;
            let versions = versions.unwrap_or_default();
            if versions.iter().map(|it| it.version).eq(expected.iter().copied()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("memory says what the store says");
}

#[tokio::test]
async fn a_start_is_known_again_after_its_module_was_deleted() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let mut first = request("forever", "w", "");
    first.request_id = Some("request-1".parse().expect("valid"));
    let started = runtime.start_run(first.clone()).await.expect("started");
    runtime.terminate_run(&run_ref("w"), String::new()).await.expect("terminated");
    assert_eq!(delete_version(&runtime, None).await, Ok(vec![1]));

    let repeated = runtime.start_run(first.clone()).await.expect("found");
    assert_eq!((repeated.run_id, repeated.started), (started.run_id, false));
    first.input = Payload::new("another");
    let reused = runtime.start_run(first).await.expect_err("another request");
    assert_eq!(reused.code.as_str(), "request_id_reused");
    let new = runtime.start_run(request("forever", "w", "")).await.expect_err("no code for it");
    assert_eq!(new.code.as_str(), "workflow_type_not_found");
}

#[tokio::test]
async fn a_reset_is_known_again_after_its_module_was_deleted() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let old = runtime.start_run(request("forever", "w", "")).await.expect("started").run_id;
    let old = RunRef { run_id: Some(old), ..run_ref("w") };
    let how = ResetRequest {
        point: ResetPoint::First,
        reapply: Reapply::All,
        module: None,
        reason: String::new(),
        request_id: Some("request-1".parse().expect("valid")),
    };
    let new = runtime.reset_run(&old, how.clone()).await.expect("started over");
    runtime.terminate_run(&run_ref("w"), String::new()).await.expect("terminated");
    assert_eq!(delete_version(&runtime, None).await, Ok(vec![1]));
    assert_eq!(runtime.reset_run(&old, how.clone()).await.expect("found"), new);
    let another = ResetRequest { request_id: None, ..how };
    let refused = runtime.reset_run(&old, another).await.expect_err("no code for it");
    assert_eq!(refused.code.as_str(), "module_not_found");
}

/// Whether the module is there is not known for a while, and nothing starts with it.
#[tokio::test]
async fn nothing_starts_with_a_module_while_it_is_not_known_whether_it_was_deleted() {
    for done in [true, false] {
        let (host, inner) = (ScriptedHost::new(), memory());
        let verdict = Arc::new(Semaphore::new(0));
        let script_verdict = verdict.clone();
        let store = scripted(inner.clone(), &Calls::default(), move |call| {
            match (call.operation, call.number) {
                (Operation::DeleteModules, 1) if done => Fault::DoneButUnavailable,
                (Operation::DeleteModules, 1) => Fault::Unavailable,
                (Operation::DeleteModules, 2) => Fault::Delayed(script_verdict.clone()),
                _ => Fault::None,
            }
        });
        let runtime = start(store, &host).await;
        assert_eq!(delete_version(&runtime, None).await, Err("unavailable".to_owned()));
        let starting = {
            let runtime = runtime.clone();
            tokio::spawn(async move { runtime.start_run(request("forever", "w", "")).await })
        };
        let uploading = {
            let (runtime, bytes) = (runtime.clone(), Bytes::from_static(b"again"));
            let name = scripted_name();
            tokio::spawn(async move { runtime.upload_module(&name, bytes).await })
        };
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!starting.is_finished() && !uploading.is_finished());
        verdict.add_permits(1);
        let (version, _) = uploading.await.expect("no panic").expect("uploaded");
        assert_eq!(version.version, 1, "all that came before is gone");
        let _either = starting.await.expect("no panic");
        until_versions(&runtime, &[1]).await;
        assert_eq!(inner.all_modules().await.expect("lists"), [version]);
        for run in inner.open_executions(HashRange::ALL, None, 10).await.expect("lists") {
            assert!(inner.module_bytes(run.module_digest).await.expect("reads").is_some());
        }
    }
}

/// Its caller was told that nothing is known, and may be gone.
#[tokio::test]
async fn a_module_stays_until_it_is_known_whether_a_run_has_started_with_it() {
    let (host, inner) = (ScriptedHost::new(), memory());
    let first = Arc::new(Semaphore::new(0));
    let script_first = first.clone();
    let calls = Calls::default();
    let store = scripted(inner.clone(), &calls, move |call| match (call.operation, call.number) {
        (Operation::Commit, 1) => Fault::Delayed(script_first.clone()),
        _ => Fault::None,
    });
    let runtime = start(store, &host).await;
    let starting = {
        let runtime = runtime.clone();
        tokio::spawn(async move { runtime.start_run(request("forever", "w", "")).await })
    };
    while calls.count(Operation::Commit) == 0 {
        tokio::task::yield_now().await;
    }
    starting.abort();
    starting.await.expect_err("its caller has gone away");
    let deleting = {
        let runtime = runtime.clone();
        tokio::spawn(async move { delete_version(&runtime, None).await })
    };
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(calls.count(Operation::DeleteModules), 0, "the run may be stored any moment");
    first.add_permits(1);
    assert_eq!(deleting.await.expect("no panic"), Err("module_needed".to_owned()));
}

#[tokio::test]
async fn a_version_stays_while_an_open_run_is_pinned_to_it() {
    let host = ScriptedHost::new();
    let store = memory();
    let runtime = start(store.clone(), &host).await;
    runtime.start_run(request("forever", "w", "")).await.expect("started");
    assert_eq!(delete_version(&runtime, Some(1)).await, Err("module_needed".to_owned()), "newest");
    upload(&runtime, b"another").await;
    assert_eq!(delete_version(&runtime, Some(1)).await, Err("module_needed".to_owned()), "in use");
    assert_eq!(delete_version(&runtime, None).await, Err("module_needed".to_owned()));

    runtime.terminate_run(&run_ref("w"), String::new()).await.expect("terminated");
    assert_eq!(delete_version(&runtime, Some(1)).await, Ok(vec![1]));
    assert_eq!(delete_version(&runtime, Some(1)).await, Ok(vec![]));
    assert_eq!(upload(&runtime, b"a third").await, 3, "numbers are not given twice");

    assert_eq!(delete_version(&runtime, None).await, Ok(vec![2, 3]));
    let unknown = runtime.start_run(request("forever", "x", "")).await.expect_err("no module");
    assert_eq!(unknown.code.as_str(), "workflow_type_not_found");
    assert_eq!(store.all_modules().await.expect("lists"), []);
}

#[tokio::test]
async fn no_run_is_left_without_its_code_when_starts_and_a_deletion_race() {
    let host = ScriptedHost::new();
    let store = memory();
    let runtime = start(store.clone(), &host).await;
    let starts = (0..50).map(|number| {
        let runtime = runtime.clone();
        tokio::spawn(async move {
            let request = request("forever", &format!("w-{number}"), "");
            runtime.start_run(request).await.map_err(|error| error.code.as_str().to_owned())
        })
    });
    let starts: Vec<_> = starts.collect();
    let deleted = delete_version(&runtime, None).await;
    let mut started = 0;
    for start in starts {
        match start.await.expect("no panic") {
            Ok(_) => started += 1,
            Err(code) => assert_eq!(code, "workflow_type_not_found"),
        }
    }
    match deleted {
        Ok(versions) => assert_eq!((versions, started), (vec![1], 0), "whoever came later failed"),
        Err(code) => assert_eq!(code, "module_needed"),
    }
}

/// Two namespaces, and in each a workflow id: the store finds runs of both by one hash.
fn ids_of_one_hash(other: &NamespaceName) -> (String, String) {
    let hash = |namespace: &NamespaceName, id: &str| {
        WorkflowHash::of(namespace, &WorkflowId::new(id).expect("valid"))
    };
    let ids = || (0..200_000).map(|number| format!("w{number}"));
    let its: HashMap<WorkflowHash, String> = ids().map(|id| (hash(other, &id), id)).collect();
    let mut pairs = ids().filter_map(|id| Some((its.get(&hash(&namespace(), &id))?.clone(), id)));
    pairs.next().expect("of so many some are the same")
}

#[tokio::test]
async fn whoever_deletes_a_run_of_another_namespace_is_told_nothing_and_deletes_nothing() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let other = NamespaceName::new("other").expect("valid");
    let made = runtime.runtime().create_namespace(other.clone(), Default::default()).await;
    made.expect("makes it");
    let theirs = runtime.tenant_of(&other).expect("it is there");
    theirs
        .upload_module(&scripted_name(), Bytes::from_static(b"scripted"))
        .await
        .expect("accepted");
    let (their_id, my_id) = ids_of_one_hash(&other);
    let run = theirs.start_run(request("forever", &their_id, "")).await.expect("started").run_id;
    let nowhere = RunId(uuid::Uuid::from_u128(7));
    for workflow_id in [&their_id, &my_id] {
        assert_eq!(delete(&runtime, workflow_id, nowhere).await, Ok(false));
        assert_eq!(delete(&runtime, workflow_id, run).await, Ok(false), "while it is open");
    }
    theirs.terminate_run(&run_ref(&their_id), String::new()).await.expect("terminated");
    for workflow_id in [&their_id, &my_id] {
        assert_eq!(delete(&runtime, workflow_id, run).await, Ok(false), "once it has closed");
    }
    theirs.describe_run(&run_ref(&their_id)).await.expect("it is still there");
    assert!(theirs.delete_run(&run_ref(&their_id), run).await.expect("its own may"));
}
