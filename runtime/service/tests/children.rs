//! Children: each starts once, its parent hears once how it ended, and no child is
//! left that should have gone with its parent.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dacapo_model::event::EventAttributes;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::RequestId;
use dacapo_service::config::ServiceConfig;
use dacapo_service::operations::{ExecutionFilter, Reapply, ResetPoint, ResetRequest, RunResult};
use dacapo_store::faulty::{Call, Fault, Operation};
use support::guests::ScriptedHost;
use support::*;

/// What the parent of these tests ended with.
fn ended_with(result: &RunResult) -> String {
    match result.closing.as_ref().map(|closing| &closing.attributes) {
        Some(EventAttributes::WorkflowExecutionCanceled { details }) => details.clone(),
        _ => completed_with(result),
    }
}

async fn run_family(runtime: &Node, workflow: &str, input: &str) -> String {
    runtime.start_run(request(workflow, "parent", input)).await.expect("started");
    ended_with(&result(runtime, "parent").await)
}

/// How often each workflow id has run.
async fn runs(runtime: &Node) -> Vec<(String, ExecutionStatus)> {
    let filter = ExecutionFilter::default();
    let list = runtime.list_runs(&filter, None, 1_000).await.expect("listed");
    let mut runs: Vec<_> = list
        .executions
        .iter()
        .map(|run| (run.workflow_id.as_str().to_owned(), run.status))
        .collect();
    runs.sort_by(|a, b| a.0.cmp(&b.0));
    runs
}

async fn count(runtime: &Node, event_type: &str) -> usize {
    event_types(runtime, "parent").await.iter().filter(|it| **it == event_type).count()
}

async fn request_cancel(runtime: &Node, workflow_id: &str, reason: &str) {
    let run = run_ref(workflow_id);
    runtime.request_cancel(&run, reason.to_owned(), None).await.expect("it is open");
}

#[tokio::test]
async fn a_parent_hears_how_each_of_its_children_ended() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    assert_eq!(run_family(&runtime, "family", "sequential 2 count=3").await, "done done done");
    assert_eq!(count(&runtime, "ChildWorkflowExecutionStarted").await, 3);
    assert_eq!(count(&runtime, "ChildWorkflowExecutionCompleted").await, 3);
    assert_eq!(runs(&runtime).await.len(), 4);
}

#[tokio::test]
async fn a_child_knows_its_parent_and_is_shown_by_it() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let started = runtime.start_run(request("family", "parent", "forever - id=child")).await;
    let run_id = started.expect("started").run_id;
    until_event(&runtime, "parent", "ChildWorkflowExecutionStarted").await;
    let parent = runtime.describe_run(&run_ref("parent")).await.expect("described");
    let [pending] = &parent.pending_children[..] else {
        panic!("one child was expected: {parent:?}");
    };
    assert_eq!((pending.workflow_id.as_str(), pending.started), ("child", true));

    runtime.terminate_run(&run_ref("child"), "enough".to_owned()).await.expect("terminated");
    for open in [true, false] {
        let child = runtime.describe_run(&run_ref("child")).await.expect("described");
        assert_eq!(child.execution.key.run_id, pending.run_id);
        let link = child.parent.expect("it has a parent");
        assert_eq!((link.workflow_id.as_str(), link.run_id), ("parent", run_id));
        assert_eq!((link.root.workflow_id.as_str(), link.root.run_id), ("parent", run_id));
        if open {
            result(&runtime, "child").await;
        }
    }
    let filter = ExecutionFilter::default();
    let list = runtime.list_runs(&filter, None, 10).await.expect("listed");
    for run in list.executions {
        let parent = run.parent.map(|parent| (parent.run_id, parent.root.run_id));
        let is_child = run.key.run_id == pending.run_id;
        assert_eq!(parent, is_child.then_some((run_id, run_id)));
    }
    let heard = ended_with(&result(&runtime, "parent").await);
    assert_eq!(heard, "ChildWorkflowFailure<Terminated");
}

#[tokio::test]
async fn a_child_that_can_not_start_says_why() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(request("forever", "taken", "")).await.expect("started");
    runtime.start_run(request("sequential", "closed", "0")).await.expect("started");
    result(&runtime, "closed").await;
    for (input, expected) in [
        ("sequential 1 id=taken", "WorkflowAlreadyStarted"),
        ("sequential 1 id=closed reuse=reject", "WorkflowAlreadyStarted"),
        ("unheard_of 1", "WorkflowTypeNotFound"),
        ("sequential 1 module=none", "ModuleNotFound"),
        ("sequential 1 module=scripted:7", "ModuleNotFound"),
    ] {
        let heard = run_family(&runtime, "family", input).await;
        let failure = format!("ChildWorkflowFailure<{expected}");
        assert_eq!(heard, format!("{failure} {failure}"), "{input}");
        assert_eq!(count(&runtime, "StartChildWorkflowExecutionFailed").await, 1, "{input}");
    }
    let heard = run_family(&runtime, "family", "sequential 1 module=scripted:1").await;
    assert_eq!(heard, "done");
}

#[tokio::test]
async fn a_child_that_continues_as_new_is_the_same_child() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    assert_eq!(run_family(&runtime, "family", "again 5").await, "last");
    assert_eq!(count(&runtime, "ChildWorkflowExecutionCompleted").await, 1);
    assert_eq!(runs(&runtime).await.len(), 7);
}

#[tokio::test]
async fn a_child_that_is_reset_goes_on_being_that_child_also_after_a_restart() {
    for restarts in [false, true] {
        let (store, host) = (memory(), ScriptedHost::new());
        let mut runtime = start(store.clone(), &host).await;
        let family = request("family", "parent", "collect 2 id=child");
        runtime.start_run(family).await.expect("started");
        until_event(&runtime, "parent", "ChildWorkflowExecutionStarted").await;
        runtime.signal_run(&run_ref("child"), signal("undone")).await.expect("it is open");
        let reset = ResetRequest {
            point: ResetPoint::First,
            reapply: Reapply::Nothing,
            module: None,
            reason: "a mistake".to_owned(),
            request_id: None,
        };
        let new = runtime.reset_run(&run_ref("child"), reset).await.expect("it is reset");
        if restarts {
            runtime = start(store, &host).await;
        }
        let child = runtime.describe_run(&run_ref("child")).await.expect("described");
        assert_eq!(child.execution.key.run_id, new);
        for text in ["a", "b"] {
            runtime.signal_run(&run_ref("child"), signal(text)).await.expect("it is open");
        }
        assert_eq!(ended_with(&result(&runtime, "parent").await), "a b");
        assert_eq!(count(&runtime, "ChildWorkflowExecutionTerminated").await, 0);
        assert_eq!(count(&runtime, "ChildWorkflowExecutionCompleted").await, 1);
    }
}

#[tokio::test]
async fn what_becomes_of_children_when_their_parent_closes() {
    for (policy, status) in [
        ("terminate", ExecutionStatus::Terminated),
        ("cancel", ExecutionStatus::Canceled),
        ("abandon", ExecutionStatus::Running),
    ] {
        for how in ["completes", "is terminated"] {
            let runtime = start(memory(), &ScriptedHost::new()).await;
            let input = format!("forever - id=child policy={policy}");
            if how == "completes" {
                run_family(&runtime, "leaver", &input).await;
            } else {
                let family = request("family", "parent", &input);
                runtime.start_run(family).await.expect("started");
                until_event(&runtime, "parent", "ChildWorkflowExecutionStarted").await;
                let ended = runtime.terminate_run(&run_ref("parent"), "enough".to_owned()).await;
                ended.expect("terminated");
            }
            if status.is_open() {
                // Asking it to cancel shows that it is there, and was not asked before.
                request_cancel(&runtime, "child", "now").await;
                let ended = ended_with(&result(&runtime, "child").await);
                assert_eq!(ended, "now", "{policy}, the parent {how}");
            } else {
                let ended = result(&runtime, "child").await.status;
                assert_eq!(ended, status, "{policy}, the parent {how}");
            }
        }
    }
}

#[tokio::test]
async fn cancelling_the_wait_for_a_child_does_what_its_type_says() {
    for (kind, heard, child) in [
        ("completed", "ChildWorkflowFailure<Cancelled", ExecutionStatus::Canceled),
        ("requested", "Cancelled", ExecutionStatus::Canceled),
        ("try", "", ExecutionStatus::Canceled),
        ("abandon", "", ExecutionStatus::Running),
    ] {
        let runtime = start(memory(), &ScriptedHost::new()).await;
        let input = format!("forever - id=child cancel={kind} policy=abandon");
        runtime.start_run(request("family", "parent", &input)).await.expect("started");
        until_event(&runtime, "parent", "ChildWorkflowExecutionStarted").await;
        request_cancel(&runtime, "parent", "enough").await;
        let ended = ended_with(&result(&runtime, "parent").await);
        // That it was asked and that it has ended are heard in either order.
        let closed = "ChildWorkflowFailure<Cancelled";
        assert!(ended == heard || (kind == "requested" && ended == closed), "{kind}: {ended}");
        if child.is_open() {
            let described = runtime.describe_run(&run_ref("child")).await.expect("described");
            assert!(!described.cancel_requested, "{kind}");
        } else {
            assert_eq!(result(&runtime, "child").await.status, child, "{kind}");
        }
    }
}

/// Groups of commits, not one for each child; and no work that grows with the
/// square of their number.
#[tokio::test(flavor = "multi_thread")]
async fn a_parent_may_have_two_thousand_children() {
    let calls = Calls::default();
    let store = scripted(memory(), &calls, |_| Fault::None);
    // On a machine with other things to do the parent may wait for longer than usual.
    let idle_timeout = Duration::from_secs(600);
    let config = ServiceConfig { idle_timeout, ..ServiceConfig::default() };
    let runtime = start_with(store, &ScriptedHost::with_room_for(3_000), config).await;
    let heard = run_family(&runtime, "family", "sequential 1 count=2000").await;
    assert_eq!(heard.split(' ').filter(|it| *it == "done").count(), 2_000);
    let commits = calls.count(Operation::Commit);
    assert!(commits < 1_000, "{commits} commits");
    assert_eq!(calls.count(Operation::FindRuns), 0, "nothing is read");
}

const SCENARIOS: [(&str, &str, &str); 6] = [
    ("family", "sequential 1 count=3", "done done done"),
    ("family", "again 2", "last"),
    ("family", "sequential 0 id=a reuse=reject", "done"),
    ("family", "forever - within=20 attempts=2", "ChildWorkflowFailure<WorkflowTimeout"),
    ("messenger", "signal inbox hello\nsignal inbox again", " "),
    ("messenger", "cancel inbox", ""),
];

/// Starts until it is told that the run is there, as a client would.
async fn start_surely(runtime: &Node, workflow: &str, workflow_id: &str, input: &str) {
    let mut request = request(workflow, workflow_id, input);
    request.request_id = Some(RequestId::new("the-start").expect("valid"));
    while let Err(error) = runtime.start_run(request.clone()).await {
        assert!(error.code.is_retryable(), "{error:?}");
        // A node whose store is gone answers without waiting for anything.
        tokio::task::yield_now().await;
    }
}

/// The run of a scenario, and the one that it has to do with.
async fn start_both(runtime: &Node, (workflow, input, _): (&str, &str, &str)) {
    if workflow == "messenger" {
        let other = if input.starts_with("cancel") { "forever" } else { "collect" };
        start_surely(runtime, other, "inbox", "2").await;
    }
    start_surely(runtime, workflow, "parent", input).await;
}

/// What is true of each scenario once its parent has ended.
async fn check(runtime: &Node, (workflow, input, expected): (&str, &str, &str), at: &str) {
    assert_eq!(ended_with(&result(runtime, "parent").await), expected, "{at}");
    let mut ids: Vec<_> = runs(runtime).await;
    if input == "cancel inbox" {
        assert_eq!(ended_with(&result(runtime, "inbox").await), "told to", "{at}");
    } else if workflow == "messenger" {
        let mut signals = signals_of(&history(runtime, "inbox").await);
        // Neither waited for the other.
        signals.sort();
        assert_eq!(signals, ["again", "hello"], "{at}");
    } else if expected.contains("Timeout") {
        ids.retain(|(_, status)| *status == ExecutionStatus::TimedOut);
        assert_eq!(ids.len(), 2, "{at}: each attempt once: {ids:?}");
        assert_eq!(count(runtime, "ChildWorkflowExecutionTimedOut").await, 1, "{at}");
    } else {
        ids.retain(|(id, status)| id != "parent" && *status == ExecutionStatus::Completed);
        let children = expected.split(' ').count();
        assert_eq!(ids.len(), children, "{at}: {ids:?}");
        assert_eq!(count(runtime, "ChildWorkflowExecutionStarted").await, children, "{at}");
        assert_eq!(count(runtime, "ChildWorkflowExecutionCompleted").await, children, "{at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_or_seems_to_neither_loses_nor_doubles_a_child_or_a_signal() {
    for scenario in SCENARIOS {
        for number in 1..=12 {
            for fault in commit_faults() {
                let at = format!("{scenario:?}: commit {number}: {fault:?}");
                let (host, calls) = (ScriptedHost::new(), Calls::default());
                let fault_once = fault.clone();
                let store = scripted(memory(), &calls, move |call: Call| {
                    let hit = call.operation == Operation::Commit && call.number == number;
                    if hit { fault_once.clone() } else { Fault::None }
                });
                let runtime = start(store, &host).await;
                start_both(&runtime, scenario).await;
                check(&runtime, scenario, &at).await;
            }
        }
    }
}

/// A store that takes so many commits and then nothing any more, and the flag
/// that says so.
fn dying(
    inner: Arc<dyn dacapo_store::Store>,
    commits: u64,
) -> (Arc<dyn dacapo_store::Store>, Arc<AtomicBool>) {
    let dead = Arc::new(AtomicBool::new(false));
    let script_dead = dead.clone();
    let store = scripted(inner, &Calls::default(), move |call: Call| {
        if script_dead.load(Ordering::SeqCst) {
            return Fault::Unavailable;
        }
        if call.operation == Operation::Commit && call.number == commits {
            script_dead.store(true, Ordering::SeqCst);
            return Fault::DoneButUnavailable;
        }
        Fault::None
    });
    (store, dead)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_after_any_commit_leaves_no_child_and_no_signal_behind() {
    for scenario in SCENARIOS {
        for commits in 2..=14 {
            let at = format!("{scenario:?}: died after commit {commits}");
            let inner = memory();
            let (store, dead) = dying(inner.clone(), commits);
            let host = ScriptedHost::new();
            let first = start(store, &host).await;
            let running = tokio::spawn(async move {
                start_both(&first, scenario).await;
                let over = first.run_result(&run_ref("parent"), PATIENCE).await;
                drop(over);
                first
            });
            let died = async {
                while !dead.load(Ordering::SeqCst) && !running.is_finished() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(PATIENCE, died).await.expect("it dies or ends");
            let second = start(inner, &host).await;
            start_both(&second, scenario).await;
            check(&second, scenario, &at).await;
            running.abort();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_when_a_parent_has_closed_leaves_its_children_to_the_next() {
    for (policy, status) in [
        ("terminate", ExecutionStatus::Terminated),
        ("cancel", ExecutionStatus::Canceled),
        ("abandon", ExecutionStatus::Running),
    ] {
        let inner = memory();
        let input = format!("forever - id=child policy={policy}");
        let host = ScriptedHost::new();
        // The parent's start, the child's, and the parent's end.
        let (store, dead) = dying(inner.clone(), 3);
        let first = start(store, &host).await;
        first.start_run(request("leaver", "parent", &input)).await.expect("started");
        let died = async {
            while !dead.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, died).await.expect("it dies");
        let second = start(inner, &host).await;
        assert_eq!(result(&second, "parent").await.status, ExecutionStatus::Completed);
        if status.is_open() {
            let child = second.describe_run(&run_ref("child")).await.expect("described");
            assert_eq!((child.execution.status, child.cancel_requested), (status, false));
        } else {
            assert_eq!(result(&second, "child").await.status, status, "{policy}");
        }
        drop(first);
    }
}

#[tokio::test]
async fn a_parent_that_was_closed_by_a_commit_that_seemed_to_fail_leaves_no_child() {
    let calls = Calls::default();
    let store = scripted(memory(), &calls, |call: Call| {
        let hit = call.operation == Operation::Commit && call.number == 3;
        if hit { Fault::DoneButUnavailable } else { Fault::None }
    });
    let runtime = start(store, &ScriptedHost::new()).await;
    run_family(&runtime, "leaver", "forever - id=child").await;
    assert_eq!(result(&runtime, "child").await.status, ExecutionStatus::Terminated);
}

#[tokio::test]
async fn a_request_to_a_run_that_is_not_there_fails_with_a_type() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(request("sequential", "closed", "0")).await.expect("started");
    result(&runtime, "closed").await;
    let input = "signal nobody hello\ncancel nobody\nsignal closed hello\ncancel closed";
    let heard = run_family(&runtime, "messenger", input).await;
    assert_eq!(heard, "RunNotFound RunNotFound RunClosed RunClosed");
}

#[tokio::test]
async fn a_run_may_ask_another_to_cancel() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(request("forever", "other", "")).await.expect("started");
    assert_eq!(run_family(&runtime, "messenger", "cancel other").await, "");
    assert_eq!(ended_with(&result(&runtime, "other").await), "told to");
}

#[tokio::test]
async fn a_parent_that_left_memory_is_woken_by_its_child() {
    let host = ScriptedHost::new();
    let config = ServiceConfig { idle_timeout: Duration::from_millis(1), ..Default::default() };
    let runtime = start_with(memory(), &host, config).await;
    assert_eq!(run_family(&runtime, "family", "sleep 50 count=2").await, "awake awake");
}
