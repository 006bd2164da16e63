//! The store fails, the node dies, another takes over: the history is the same.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dacapo_model::event::EventAttributes;
use dacapo_model::execution::{ExecutionStatus, IdConflictPolicy};
use dacapo_model::ids::RequestId;
use dacapo_store::faulty::{Call, Fault, Operation};
use support::guests::ScriptedHost;
use support::*;

/// A workflow, and how many commits it takes when nothing goes wrong.
const SCENARIOS: [(&str, &str, u64); 4] =
    [("sequential", "4", 5), ("flaky", "2", 7), ("sleep", "20", 2), ("once", "2", 3)];

async fn undisturbed(workflow: &str, input: &str) -> Vec<EventAttributes> {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(request(workflow, "w", input)).await.expect("started");
    result(&runtime, "w").await;
    sanitised(&history(&runtime, "w").await)
}

/// Starts until it is told that the run is there, as a client would.
async fn start_surely(runtime: &Node, workflow: &str, input: &str) {
    let mut request = request(workflow, "w", input);
    request.request_id = Some(RequestId::new("the-start").expect("valid"));
    request.conflict_policy = Some(IdConflictPolicy::UseExisting);
    loop {
        match runtime.start_run(request.clone()).await {
            Ok(_) => return,
            Err(error) => assert!(error.code.is_retryable(), "{error:?}"),
        }
    }
}

fn without_request_id(mut history: Vec<EventAttributes>) -> Vec<EventAttributes> {
    if let Some(EventAttributes::WorkflowExecutionStarted(started)) = history.first_mut() {
        started.request_id = None;
    }
    history
}

#[tokio::test]
async fn a_commit_that_fails_or_seems_to_changes_no_history() {
    for (workflow, input, commits) in SCENARIOS {
        let expected = undisturbed(workflow, input).await;
        for number in 1..=commits {
            for fault in commit_faults() {
                let at = format!("{workflow}: commit {number}: {fault:?}");
                let (host, calls) = (ScriptedHost::new(), Calls::default());
                let fault_once = fault.clone();
                let store = scripted(memory(), &calls, move |call: Call| {
                    let hit = call.operation == Operation::Commit && call.number == number;
                    if hit { fault_once.clone() } else { Fault::None }
                });
                let runtime = start(store, &host).await;
                start_surely(&runtime, workflow, input).await;
                let result = result(&runtime, "w").await;
                // An attempt that may be made once is given up when it is not
                // known whether it was made.
                if workflow != "once" {
                    assert_eq!(result.status, ExecutionStatus::Completed, "{at}");
                    let history = sanitised(&history(&runtime, "w").await);
                    assert_eq!(without_request_id(history), expected, "{at}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_node_that_dies_after_any_commit_is_followed_by_one_that_finishes_the_same_history() {
    for (workflow, input, commits) in SCENARIOS {
        if workflow == "once" {
            continue;
        }
        let expected = undisturbed(workflow, input).await;
        for number in 1..=commits {
            let at = format!("{workflow}: died after commit {number}");
            let (host, inner) = (ScriptedHost::new(), memory());
            // From the n-th commit on, nothing reaches the store any more.
            let dead = Arc::new(AtomicBool::new(false));
            let calls = Calls::default();
            let script_dead = dead.clone();
            let store = scripted(inner.clone(), &calls, move |call: Call| {
                if script_dead.load(Ordering::SeqCst) {
                    return Fault::Unavailable;
                }
                if call.operation == Operation::Commit && call.number == number {
                    script_dead.store(true, Ordering::SeqCst);
                    return Fault::DoneButUnavailable;
                }
                Fault::None
            });
            let first = start(store, &host).await;
            let start_first = request(workflow, "w", input);
            let starting = tokio::spawn(async move {
                let _answer_is_lost = first.start_run(start_first).await;
                first
            });
            let died = async {
                while !dead.load(Ordering::SeqCst) {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(PATIENCE, died).await.expect("the commit comes");

            let second = start(inner, &host).await;
            let result = result(&second, "w").await;
            assert_eq!(result.status, ExecutionStatus::Completed, "{at}");
            assert_eq!(sanitised(&history(&second, "w").await), expected, "{at}");
            starting.abort();
        }
    }
}

#[tokio::test]
async fn an_activity_that_may_run_once_is_not_run_again_after_a_crash() {
    let (host, inner) = (ScriptedHost::new(), memory());
    let first = start(inner.clone(), &host).await;
    first.start_run(request("once", "o", "1")).await.expect("started");
    result(&first, "o").await;
    assert_eq!(host.attempts_of("once", "1"), 1);

    // The same, but the node dies before it hears of the outcome.
    let dead = Arc::new(AtomicBool::new(false));
    let script_dead = dead.clone();
    let store = scripted(inner.clone(), &Calls::default(), move |call: Call| {
        if call.operation == Operation::Commit && call.number == 2 {
            script_dead.store(true, Ordering::SeqCst);
        }
        if script_dead.load(Ordering::SeqCst) { Fault::Unavailable } else { Fault::None }
    });
    let second = start(store, &host).await;
    second.start_run(request("once", "p", "1")).await.expect("started");
    let died = async {
        while !dead.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, died).await.expect("the attempt is reported");
    let third = start(inner, &host).await;
    assert_eq!(result(&third, "p").await.status, ExecutionStatus::Failed);
    assert_eq!(host.attempts_of("once", "1"), 2, "once for each of the two runs");
}

/// The row of a retry stays while the attempt runs, and does not say that it does.
#[tokio::test]
async fn an_attempt_that_runs_is_not_made_again_when_its_run_is_read_after_a_failed_commit() {
    let fails = Arc::new(AtomicBool::new(false));
    let script_fails = fails.clone();
    let store = scripted(memory(), &Calls::default(), move |call: Call| {
        let hit = call.operation == Operation::Commit && script_fails.swap(false, Ordering::SeqCst);
        if hit { Fault::Unavailable } else { Fault::None }
    });
    let host = ScriptedHost::new();
    let runtime = start(store, &host).await;
    runtime.start_run(request("watch", "w", "second")).await.expect("started");
    let second_runs = async {
        while host.attempts_of("second", "") < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, second_runs).await.expect("the second attempt begins");
    fails.store(true, Ordering::SeqCst);
    runtime.signal_run(&run_ref("w"), signal("a")).await.expect("recorded");
    assert!(!fails.load(Ordering::SeqCst), "a commit has failed");
    host.gate.add_permits(1);
    assert_eq!(result(&runtime, "w").await.status, ExecutionStatus::Completed);
    assert_eq!(host.attempts_of("second", ""), 2);
}

#[tokio::test]
async fn a_node_that_lost_its_shards_says_so_and_commits_nothing() {
    let (host, store) = (ScriptedHost::new(), memory());
    let first = start(store.clone(), &host).await;
    let second = start(store, &host).await;
    let refused = first.start_run(request("forever", "f", "")).await;
    assert_eq!(refused.expect_err("fenced").code.as_str(), "unavailable");
    tokio::time::timeout(PATIENCE, first.ownership_lost()).await.expect("it knows");
    assert!(!first.is_ready());
    let unknown = second.describe_run(&run_ref("f")).await;
    assert_eq!(unknown.expect_err("never started").code.as_str(), "run_not_found");
    second.start_run(request("sequential", "f", "1")).await.expect("the new owner works");
}
