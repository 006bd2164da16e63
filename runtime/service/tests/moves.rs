//! Runs are replayed with other code, kept from it, and moved to it.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dacapo_model::code::ErrorCode;
use dacapo_model::event::EventAttributes;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{ModuleName, TypeName};
use dacapo_model::module::ModuleDigest;
use dacapo_service::config::ServiceConfig;
use dacapo_service::operations::{
    GateReport, MoveChange, MoveTarget, ReplayOutcome, ReplayPage, ReplayRequest, VersionRef,
};
use dacapo_store::faulty::{Call, Fault, Operation};
use support::guests::ScriptedHost;
use support::*;

fn name() -> ModuleName {
    ModuleName::new("scripted").expect("valid")
}

async fn upload(runtime: &Node, code: &'static str) -> ModuleDigest {
    let bytes = Bytes::from_static(code.as_bytes());
    let uploaded = runtime.upload_module(&name(), bytes).await;
    uploaded.expect("the upload is accepted").0.digest
}

fn to_newest() -> MoveTarget {
    MoveTarget::default()
}

async fn digest_of(runtime: &Node, workflow_id: &str) -> ModuleDigest {
    let description = runtime.describe_run(&run_ref(workflow_id)).await.expect("a run");
    description.execution.module_digest
}

/// A run that waits for its first activity.
async fn waiting(runtime: &Node, workflow_id: &str, steps: &str) {
    runtime.start_run(request("gated", workflow_id, steps)).await.expect("started");
}

#[tokio::test]
async fn a_run_that_is_moved_goes_on_with_the_other_code_and_stays_there() {
    let (store, host) = (memory(), ScriptedHost::new());
    // The attempt under way never ends.
    let config =
        ServiceConfig { shutdown_grace: Duration::from_millis(10), ..ServiceConfig::default() };
    let runtime = start_with(store.clone(), &host, config).await;
    waiting(&runtime, "w", "2").await;
    let before = digest_of(&runtime, "w").await;
    let newest = upload(&runtime, "the same again").await;
    let moved = runtime.move_run(&run_ref("w"), &to_newest()).await.expect("it fits");
    assert_eq!((moved.module.version, moved.module.digest), (2, newest));
    assert_eq!(moved.change, MoveChange::Moved);
    assert_ne!(before, newest);
    assert_eq!(digest_of(&runtime, "w").await, newest);
    assert_eq!(
        event_types(&runtime, "w").await,
        ["WorkflowExecutionStarted", "ActivityTaskScheduled", "WorkflowExecutionOptionsUpdated"]
    );
    let again = runtime.move_run(&run_ref("w"), &to_newest()).await.expect("it is there already");
    assert_eq!(again.change, MoveChange::Nothing);
    assert_eq!(event_types(&runtime, "w").await.len(), 3, "nothing is recorded twice");
    runtime.shutdown().await;

    // The node that follows knows it from the store.
    let host = ScriptedHost::new();
    let runtime = start(store, &host).await;
    host.gate.add_permits(2);
    result(&runtime, "w").await;
    let launched = host.launched.lock().clone();
    assert!(!launched.is_empty() && launched.iter().all(|it| *it == newest), "{launched:?}");
}

#[tokio::test]
async fn the_run_that_follows_a_moved_one_has_its_code() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    runtime.start_run(request("relay", "w", "1")).await.expect("started");
    until_event(&runtime, "w", "ActivityTaskCompleted").await;
    let newest = upload(&runtime, "the same again").await;
    runtime.move_run(&run_ref("w"), &to_newest()).await.expect("it fits");
    runtime.signal_run(&run_ref("w"), signal("go")).await.expect("signalled");
    assert_eq!(completed_with(&result(&runtime, "w").await), "go");
    assert_eq!(digest_of(&runtime, "w").await, newest);
    let follower = history(&runtime, "w").await;
    let EventAttributes::WorkflowExecutionStarted(started) = &follower[0].attributes else {
        panic!("no start");
    };
    assert!(started.continued_from.is_some());
    assert_eq!(started.module_digest, newest);
}

#[tokio::test]
async fn code_that_does_not_fit_is_refused_and_the_run_goes_on_as_before() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    waiting(&runtime, "w", "1").await;
    let before = digest_of(&runtime, "w").await;
    upload(&runtime, "reordered").await;
    let refused = runtime.move_run(&run_ref("w"), &to_newest()).await.expect_err("refused");
    assert_eq!(refused.code, ErrorCode::ReplayDiverged);
    assert!(
        refused.message.contains("event 2: history has ActivityTaskScheduled of `gated`"),
        "{}",
        refused.message
    );
    assert_eq!(refused.details["workflow_id"], "w");
    assert_eq!(digest_of(&runtime, "w").await, before);
    host.gate.add_permits(1);
    assert_eq!(completed_with(&result(&runtime, "w").await), "done");
    let closed = runtime.move_run(&run_ref("w"), &to_newest()).await.expect_err("too late");
    assert_eq!(closed.code, ErrorCode::RunClosed);
    let unknown = MoveTarget { digest: Some(ModuleDigest([9; 32])), ..to_newest() };
    runtime.start_run(request("forever", "v", "")).await.expect("started");
    let refused = runtime.move_run(&run_ref("v"), &unknown).await.expect_err("refused");
    assert_eq!(refused.code, ErrorCode::ModuleNotFound);
}

#[tokio::test]
async fn a_blocked_run_that_is_moved_to_fixed_code_goes_on_at_once() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    runtime.start_run(request("faulty", "w", "")).await.expect("started");
    until_status(&runtime, "w", ExecutionStatus::Blocked).await;
    let refused = runtime.move_run(&run_ref("w"), &to_newest()).await;
    refused.expect("it is there, and tries again");
    until_status(&runtime, "w", ExecutionStatus::Blocked).await;
    upload(&runtime, "fixed").await;
    runtime.move_run(&run_ref("w"), &to_newest()).await.expect("it fits");
    until_status(&runtime, "w", ExecutionStatus::Running).await;
    runtime.request_cancel(&run_ref("w"), "enough".to_owned(), None).await.expect("asked");
    assert_eq!(result(&runtime, "w").await.status, ExecutionStatus::Canceled);
}

#[tokio::test]
async fn a_move_whose_commit_fails_or_seems_to_is_made_once_or_not_at_all() {
    for fault in commit_faults() {
        let (inner, host, calls) = (memory(), ScriptedHost::new(), Calls::default());
        let armed = Arc::new(AtomicBool::new(false));
        let (trigger, chosen) = (armed.clone(), fault.clone());
        let store = scripted(inner.clone(), &calls, move |call: Call| {
            let hit = call.operation == Operation::Commit && trigger.swap(false, Ordering::SeqCst);
            if hit { chosen.clone() } else { Fault::None }
        });
        let runtime = start(store, &host).await;
        waiting(&runtime, "w", "1").await;
        let newest = upload(&runtime, "the same again").await;
        armed.store(true, Ordering::SeqCst);
        let moved = runtime.move_run(&run_ref("w"), &to_newest()).await;
        // If it is not known, it may come to be.
        if moved.is_ok() || matches!(fault, Fault::Unavailable) {
            let is_there = digest_of(&runtime, "w").await == newest;
            assert_eq!(moved.is_ok(), is_there, "{fault:?}: {moved:?}");
        }
        assert!(!armed.load(Ordering::SeqCst), "the fault was met");
        runtime.move_run(&run_ref("w"), &to_newest()).await.expect("it is moved now");
        let types = event_types(&runtime, "w").await;
        let moves = types.iter().filter(|it| **it == "WorkflowExecutionOptionsUpdated");
        assert_eq!(moves.count(), 1, "{fault:?}: {types:?}");
        host.gate.add_permits(2);
        assert_eq!(completed_with(&result(&runtime, "w").await), "done");
    }
}

async fn through_gate(
    runtime: &Node,
    code: &'static str,
) -> Result<GateReport, dacapo_service::error::ServiceError> {
    let bytes = Bytes::from_static(code.as_bytes());
    let uploaded = runtime.upload_module_through_gate(&name(), bytes).await;
    uploaded.map(|(_, _, report)| report)
}

#[tokio::test]
async fn a_gate_refuses_code_that_open_runs_could_not_be_moved_to() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    for workflow_id in ["a", "b"] {
        waiting(&runtime, workflow_id, "1").await;
    }
    runtime.start_run(request("faulty", "blocked", "")).await.expect("started");
    until_status(&runtime, "blocked", ExecutionStatus::Blocked).await;

    let refused = through_gate(&runtime, "reordered").await.expect_err("refused");
    assert_eq!(refused.code, ErrorCode::ReplayDiverged);
    assert_eq!(refused.details["runs"], "2");
    assert!(refused.message.contains("`a` (") && refused.message.contains("`b` ("));
    assert_eq!(runtime.module_versions(&name()).await.expect("versions").len(), 1);

    let fits = through_gate(&runtime, "the same again").await.expect("it fits");
    assert_eq!(fits, GateReport { fitting: 2, blocked: 1 });
    assert_eq!(runtime.module_versions(&name()).await.expect("versions").len(), 2);

    // What nobody runs any more is in nobody's way.
    host.gate.add_permits(2);
    result(&runtime, "a").await;
    result(&runtime, "b").await;
    through_gate(&runtime, "reordered").await.expect("no run is left that it could break");
}

fn replay_request(limit: u32) -> ReplayRequest {
    ReplayRequest {
        module: VersionRef::Numbered(name(), None),
        workflow_type: None,
        workflow_id: None,
        run_id: None,
        after: None,
        limit,
    }
}

fn outcomes(page: &ReplayPage) -> Vec<(&str, &'static str)> {
    let outcome = |outcome: &ReplayOutcome| match outcome {
        ReplayOutcome::Fits { .. } => "fits",
        ReplayOutcome::Diverges(_) => "diverges",
        ReplayOutcome::Fails(_) => "fails",
    };
    let mut all: Vec<_> = page
        .runs
        .iter()
        .map(|run| (run.execution.workflow_id.as_str(), outcome(&run.outcome)))
        .collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn a_dry_replay_tells_run_by_run_and_changes_nothing() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    waiting(&runtime, "a", "1").await;
    runtime.start_run(request("forever", "b", "")).await.expect("started");
    upload(&runtime, "reordered").await;

    let page = runtime.replay_runs(&replay_request(100)).await.expect("replayed");
    assert_eq!(outcomes(&page), [("a", "diverges"), ("b", "fits")]);
    assert_eq!(page.next, None);
    let of_type = TypeName::new("forever").expect("valid");
    let request = ReplayRequest { workflow_type: Some(of_type), ..replay_request(100) };
    let page = runtime.replay_runs(&request).await.expect("replayed");
    assert_eq!(outcomes(&page), [("b", "fits")]);

    let first = runtime.replay_runs(&replay_request(1)).await.expect("replayed");
    let rest = ReplayRequest { after: first.next, ..replay_request(1) };
    let second = runtime.replay_runs(&rest).await.expect("replayed");
    assert_eq!((first.runs.len(), second.runs.len(), second.next), (1, 1, None));
    assert_ne!(first.runs[0].execution.key, second.runs[0].execution.key);

    assert_eq!(event_types(&runtime, "a").await.len(), 2, "nothing was recorded");
    host.gate.add_permits(1);
    assert_eq!(completed_with(&result(&runtime, "a").await), "done");
    // A run that is named may be closed, and of the first version.
    let closed = runtime.describe_run(&run_ref("a")).await.expect("a run").execution;
    let named = ReplayRequest {
        module: VersionRef::Numbered(name(), Some(1)),
        workflow_id: Some(closed.workflow_id.clone()),
        run_id: Some(closed.key.run_id),
        ..replay_request(1)
    };
    let page = runtime.replay_runs(&named).await.expect("replayed");
    assert_eq!((outcomes(&page), page.runs[0].events), (vec![("a", "fits")], 4));
}
