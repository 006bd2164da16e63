//! The store does not take what a run would record. Everyone has an outcome, and
//! nothing is tried for ever.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dacapo_model::event::EventAttributes;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::payload::Payload;
use dacapo_store::Store;
use dacapo_store::commit::CommitUnit;
use dacapo_store::execution::ExecutionFilter;
use dacapo_store::faulty::{Call, Fault, FaultyStore, Operation};
use support::guests::ScriptedHost;
use support::*;

/// A store that takes no unit with such an event while the flag is up.
fn refusing(
    refuses: impl Fn(&EventAttributes) -> bool + Send + Sync + 'static,
) -> (Arc<dyn Store>, Arc<AtomicBool>) {
    refusing_with(|_| Fault::None, refuses)
}

/// The same of a store that has other faults, too.
fn refusing_with(
    script: impl Fn(Call) -> Fault + Send + Sync + 'static,
    refuses: impl Fn(&EventAttributes) -> bool + Send + Sync + 'static,
) -> (Arc<dyn Store>, Arc<AtomicBool>) {
    let up = Arc::new(AtomicBool::new(true));
    let asked = up.clone();
    let store = FaultyStore::new(memory(), script).refusing(move |unit: &CommitUnit| {
        let mut events = unit.transitions.iter().flat_map(|it| &it.events);
        asked.load(Ordering::SeqCst) && events.any(|event| refuses(&event.attributes))
    });
    (Arc::new(store), up)
}

fn schedules(event: &EventAttributes, input: &str) -> bool {
    match event {
        EventAttributes::ActivityTaskScheduled { input: its, .. } => has(its, input),
        _ => false,
    }
}

fn has(payload: &Payload, text: &str) -> bool {
    payload.as_bytes() == text.as_bytes()
}

async fn report_of(runtime: &Node, workflow_id: &str) -> String {
    until_status(runtime, workflow_id, ExecutionStatus::Blocked).await;
    let description = runtime.describe_run(&run_ref(workflow_id)).await.expect("described");
    let report = description.execution.blocked.expect("a report");
    assert_eq!(report.code, "not_storable");
    report.message
}

#[tokio::test]
async fn a_start_that_is_refused_leaves_nothing_and_its_workflow_id_is_free() {
    let (store, _) = refusing(|event| match event {
        EventAttributes::WorkflowExecutionStarted(started) => has(&started.input, "poison"),
        _ => false,
    });
    let runtime = start(store, &ScriptedHost::new()).await;
    let refused = runtime.start_run(request("sequential", "w", "poison")).await;
    let refused = refused.expect_err("the store does not take it");
    assert_eq!(refused.code.as_str(), "not_storable");
    assert!(refused.message.contains("a fault was injected"), "{refused:?}");
    let runs = runtime.list_runs(&ExecutionFilter::default(), None, 10).await;
    assert_eq!(runs.expect("listed").executions, []);
    runtime.start_run(request("sequential", "w", "1")).await.expect("the workflow id is free");
    assert_eq!(result(&runtime, "w").await.status, ExecutionStatus::Completed);
}

#[tokio::test]
async fn a_run_whose_code_asks_for_what_is_refused_is_blocked_at_its_start_or_later() {
    for refused in ["3", "1"] {
        let (store, up) = refusing(move |event| schedules(event, refused));
        let runtime = start(store, &ScriptedHost::new()).await;
        runtime.start_run(request("sequential", "w", "3")).await.expect("it starts");
        let report = report_of(&runtime, "w").await;
        assert!(report.contains("a fault was injected"), "{report}");
        // What happened to it is recorded, and it stays as it is until it is retried.
        let types = event_types(&runtime, "w").await;
        let completed = types.iter().filter(|it| **it == "ActivityTaskCompleted").count();
        assert_eq!(completed, if refused == "3" { 0 } else { 2 }, "{types:?}");
        runtime.retry_run(&run_ref("w")).await.expect("it is blocked");
        report_of(&runtime, "w").await;
        up.store(false, Ordering::SeqCst);
        runtime.retry_run(&run_ref("w")).await.expect("it is blocked");
        assert_eq!(result(&runtime, "w").await.status, ExecutionStatus::Completed);
    }
}

/// Its start is stored before its code runs: then nothing but what the code asks for is
/// to be recorded.
#[tokio::test]
async fn the_code_of_a_run_that_is_blocked_is_not_run_again_by_itself() {
    let (store, up) = refusing(|event| schedules(event, "3"));
    let host = ScriptedHost::new();
    *host.cold.lock() = true;
    let runtime = start(store, &host).await;
    runtime.start_run(request("sequential", "w", "3")).await.expect("it starts");
    *host.cold.lock() = false;
    host.gate.add_permits(1);
    report_of(&runtime, "w").await;
    tokio::time::timeout(PATIENCE, runtime.in_hand_at_most(0)).await.expect("it rests");
    assert_eq!(host.launches.load(Ordering::SeqCst), 1);
    up.store(false, Ordering::SeqCst);
    runtime.retry_run(&run_ref("w")).await.expect("it is blocked");
    assert_eq!(result(&runtime, "w").await.status, ExecutionStatus::Completed);
}

/// What is refused is left out, and the commit that says so has no verdict.
#[tokio::test]
async fn a_block_whose_commit_has_no_verdict_is_made_and_loses_nothing() {
    for fault in commit_faults() {
        for (cold, refused, at) in [(true, "3", 3), (false, "1", 4)] {
            let injected = fault.clone();
            let meets = move |call: Call| match call {
                Call { operation: Operation::Commit, number } if number == at => injected.clone(),
                _ => Fault::None,
            };
            let (store, up) = refusing_with(meets, move |event| schedules(event, refused));
            let host = ScriptedHost::new();
            *host.cold.lock() = cold;
            let runtime = start(store, &host).await;
            runtime.start_run(request("sequential", "w", "3")).await.expect("it starts");
            *host.cold.lock() = false;
            host.gate.add_permits(1);
            report_of(&runtime, "w").await;
            up.store(false, Ordering::SeqCst);
            runtime.retry_run(&run_ref("w")).await.expect("it is blocked");
            assert_eq!(result(&runtime, "w").await.status, ExecutionStatus::Completed, "{fault:?}");
            let attempts = ["3", "2", "1"].map(|input| host.attempts_of("step", input));
            assert_eq!(attempts, [1; 3], "{fault:?}: none is made again");
        }
    }
}

#[tokio::test]
async fn a_signal_that_is_refused_is_refused_alone() {
    let (store, _) = refusing(|event| match event {
        EventAttributes::WorkflowExecutionSignaled { input, .. } => has(input, "poison"),
        _ => false,
    });
    let runtime = start(store, &ScriptedHost::new()).await;
    runtime.start_run(request("collect", "w", "2")).await.expect("started");
    let run = run_ref("w");
    // All are in the mailbox before the run looks: they share a transition.
    let (first, refused, second) = futures::join!(
        runtime.signal_run(&run, signal("first")),
        runtime.signal_run(&run, signal("poison")),
        runtime.signal_run(&run, signal("second")),
    );
    assert_eq!(refused.expect_err("the store does not take it").code.as_str(), "not_storable");
    first.expect("recorded");
    second.expect("recorded");
    assert_eq!(completed_with(&result(&runtime, "w").await), "first second");
}

#[tokio::test]
async fn an_activity_whose_outcome_is_refused_fails_and_its_workflow_is_told() {
    let (store, _) = refusing(|event| match event {
        EventAttributes::ActivityTaskCompleted { result, .. } => has(result, "1"),
        _ => false,
    });
    let host = ScriptedHost::new();
    let runtime = start(store, &host).await;
    runtime.start_run(request("sequential", "w", "2")).await.expect("started");
    let result = result(&runtime, "w").await;
    assert_eq!(result.status, ExecutionStatus::Failed);
    let history = history(&runtime, "w").await;
    let failure = history.iter().find_map(|event| match &event.attributes {
        EventAttributes::ActivityTaskFailed { failure, .. } => Some(failure),
        _ => None,
    });
    assert_eq!(failure.expect("it failed").info.type_name, "OutcomeNotStored");
    assert_eq!(host.attempts_of("step", "1"), 1, "it is not made again");
}

#[tokio::test]
async fn an_attempt_that_can_not_be_left_open_fails() {
    let (store, up) =
        refusing(|event| matches!(event, EventAttributes::ActivityTaskStarted { .. }));
    let host = ScriptedHost::new();
    let runtime = start(store, &host).await;
    runtime.start_run(request("watch", "w", "later")).await.expect("started");
    let failed = async {
        loop {
            let description = runtime.describe_run(&run_ref("w")).await.expect("described");
            let pending =
                description.pending_activities.into_iter().next().expect("one is pending");
            if let Some(failure) = pending.last_failure {
                return failure;
            }
            tokio::task::yield_now().await;
        }
    };
    let failure = tokio::time::timeout(PATIENCE, failed).await.expect("it fails");
    assert_eq!(failure.info.type_name, "ActivityCannotBeOpened");
    assert!(failure.info.message.contains("a fault was injected"), "{failure:?}");
    up.store(false, Ordering::SeqCst);
    let opened = async {
        while host.tokens.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, opened).await.expect("the next attempt is left open");
}

#[tokio::test]
async fn a_run_of_which_nothing_can_be_stored_is_left_alone() {
    let (up, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (asked, counted) = (up.clone(), commits.clone());
    let store = FaultyStore::transparent(memory()).refusing(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        asked.load(Ordering::SeqCst)
    });
    let host = ScriptedHost::new();
    let runtime = start(Arc::new(store), &host).await;
    runtime.start_run(request("gated", "w", "1")).await.expect("started");
    up.store(true, Ordering::SeqCst);
    let before = commits.load(Ordering::SeqCst);
    let refused = runtime.terminate_run(&run_ref("w"), String::new()).await;
    assert_eq!(refused.expect_err("nothing is taken").code.as_str(), "not_storable");
    host.gate.add_permits(1);
    runtime.signal_run(&run_ref("w"), signal("word")).await.expect_err("nothing is taken");
    assert!(commits.load(Ordering::SeqCst) - before < 20, "few tries");
    // Whoever asks next finds it as it was, or ended by what its attempt has come to.
    up.store(false, Ordering::SeqCst);
    if let Err(error) = runtime.signal_run(&run_ref("w"), signal("word")).await {
        assert_eq!(error.code.as_str(), "run_closed");
    }
    host.gate.add_permits(1);
    assert_eq!(result(&runtime, "w").await.status, ExecutionStatus::Completed);
}
