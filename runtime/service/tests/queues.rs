//! Activities that workers run, whatever becomes of workers, nodes and commits.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::event::EventAttributes;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{OperationId, QueueName, WorkerIdentity};
use dacapo_service::operations::{
    ActivityControl, ActivityRef, HandedTask, PollRequest, Report, canceled_report,
};
use dacapo_store::Store;
use dacapo_store::faulty::{Call, Fault, Operation};
use support::guests::ScriptedHost;
use support::worker::*;
use support::*;

const STEPS: u32 = 3;

async fn start_remote(runtime: &Node, workflow: &str, steps: u32) {
    runtime.start_run(request(workflow, "w", &steps.to_string())).await.expect("started");
}

async fn watch_remote(runtime: &Node) {
    runtime.start_run(request("watch", "w", "remote")).await.expect("started");
}

fn failed(message: &str) -> Report {
    Report::Failed(Failure::new(FailureKind::Application, "Flaky", message))
}

/// Short: a test waits for its end.
fn short_lease() -> PollRequest {
    PollRequest { lease_seconds: Some(1.0), ..poll_request() }
}

#[tokio::test]
async fn a_task_goes_to_a_poll_and_its_report_to_the_run() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_remote(&runtime, "remote", STEPS).await;
    for left in (1..=STEPS).rev() {
        let task = task(&runtime).await;
        assert_eq!((task.activity_type.as_str(), task.attempt), ("remote", 1));
        assert_eq!(task.input.as_bytes(), left.to_string().as_bytes());
        report(&runtime, task.token, done("true")).await.expect("it is held");
    }
    assert_eq!(completed_with(&result(&runtime, "w").await), "done");
    let step = ["ActivityTaskScheduled", "ActivityTaskCompleted"];
    let steps = (0..STEPS).flat_map(|_| step);
    let events: Vec<_> = ["WorkflowExecutionStarted"].into_iter().chain(steps).collect();
    assert_eq!(event_types(&runtime, "w").await[..events.len()], events);
}

#[tokio::test]
async fn a_task_for_a_poll_that_waits_is_leased_in_the_commit_that_schedules_it() {
    let calls = Calls::default();
    let store = scripted(memory(), &calls, |_| Fault::None);
    let runtime = start(store, &ScriptedHost::new()).await;
    // It looks into the queue, finds nothing, and waits.
    let mut polled = tokio::spawn({
        let runtime = runtime.clone();
        async move { task(&runtime).await }
    });
    let looked = async {
        while calls.count(Operation::ClaimTasks) == 0 || runtime.in_hand() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looked).await.expect("it looks");
    calls.clear();
    start_remote(&runtime, "remote", STEPS).await;
    for step in 1..=STEPS {
        let handed = tokio::time::timeout(PATIENCE, &mut polled).await.expect("it comes");
        let handed: HandedTask = handed.expect("no panic");
        assert_eq!(calls.count(Operation::Commit), u64::from(step), "one commit for each step");
        if step < STEPS {
            let waits = calls.count(Operation::ClaimTasks);
            polled = tokio::spawn({
                let runtime = runtime.clone();
                async move { task(&runtime).await }
            });
            // Nothing was added since it was looked through: there is no need to look again.
            tokio::task::yield_now().await;
            assert_eq!(calls.count(Operation::ClaimTasks), waits);
        }
        report(&runtime, handed.token, done("true")).await.expect("it is held");
    }
    assert_eq!(completed_with(&result(&runtime, "w").await), "done");
    assert_eq!(calls.count(Operation::Commit), u64::from(STEPS) + 1);
}

#[tokio::test]
async fn a_failure_is_tried_again_and_the_next_worker_knows_of_it() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_remote(&runtime, "remote", 1).await;
    let first = task(&runtime).await;
    for beat in ["5", "6", "7"] {
        heartbeat(&runtime, first.token, beat).await.expect("it is held");
    }
    report(&runtime, first.token, failed("not yet")).await.expect("it is held");
    let second = task(&runtime).await;
    assert_eq!(second.attempt, 2);
    assert_eq!(second.last_failure.expect("it has failed").info.message, "not yet");
    assert_eq!(second.heartbeat_details.expect("it has said").as_bytes(), b"7");
    report(&runtime, second.token, done("true")).await.expect("it is held");
    assert_eq!(completed_with(&result(&runtime, "w").await), "done");
}

#[tokio::test]
async fn a_report_may_be_repeated() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_remote(&runtime, "remote", 2).await;
    let first = task(&runtime).await;
    for _ in 0..2 {
        report(&runtime, first.token, failed("not yet")).await.expect("recorded");
    }
    let second = task(&runtime).await;
    assert_eq!(second.attempt, 2, "the repeat did not count");
    for _ in 0..2 {
        report(&runtime, second.token, done("true")).await.expect("recorded");
    }
    let late = report(&runtime, first.token, done("true")).await;
    assert_eq!(late, Err(ErrorCode::ActivityNotFound), "attempt 2 has ended it");
    let next = task(&runtime).await;
    report(&runtime, next.token, done("true")).await.expect("recorded");
    result(&runtime, "w").await;
    report(&runtime, next.token, done("true")).await.expect("also once the run has closed");
}

#[tokio::test]
async fn a_lease_that_is_over_hands_the_task_to_another_and_counts_the_attempt() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_remote(&runtime, "remote", 1).await;
    let silent = task_for(&runtime, short_lease()).await;
    let next = task(&runtime).await;
    assert_eq!(next.attempt, 2);
    let failure = next.last_failure.expect("it has failed");
    assert_eq!(failure.info.kind, FailureKind::Timeout);
    assert_eq!(report(&runtime, silent.token, done("late")).await, Err(ErrorCode::LeaseLost));
    assert_eq!(heartbeat(&runtime, silent.token, "1").await, Err(ErrorCode::LeaseLost));
    report(&runtime, next.token, done("true")).await.expect("it is held");
    assert_eq!(completed_with(&result(&runtime, "w").await), "done");
}

#[tokio::test]
async fn the_failure_of_an_attempt_that_was_lost_is_not_taken_for_recorded() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_remote(&runtime, "remote", 1).await;
    let silent = task_for(&runtime, short_lease()).await;
    let second = task(&runtime).await;
    report(&runtime, second.token, failed("not yet")).await.expect("it is held");
    report(&runtime, second.token, failed("not yet")).await.expect("recorded before");
    let late = report(&runtime, silent.token, failed("late")).await;
    assert_eq!(late, Err(ErrorCode::LeaseLost), "it was attempt 1 that was lost");
    let third = task(&runtime).await;
    assert_eq!(third.attempt, 3);
    report(&runtime, third.token, done("true")).await.expect("it is held");
    assert_eq!(completed_with(&result(&runtime, "w").await), "done");
}

#[tokio::test]
async fn an_attempt_that_may_be_made_once_is_not_made_again_when_its_lease_is_over() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_remote(&runtime, "remote-once", 1).await;
    task_for(&runtime, short_lease()).await;
    result(&runtime, "w").await;
    let events = event_types(&runtime, "w").await;
    assert!(events.contains(&"ActivityTaskTimedOut"), "{events:?}");
    no_task(&runtime).await;
}

#[tokio::test]
async fn heartbeats_keep_a_lease() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_remote(&runtime, "remote", 1).await;
    let held = task_for(&runtime, short_lease()).await;
    let beats = async {
        for beat in 0..10 {
            heartbeat(&runtime, held.token, &beat.to_string()).await.expect("it is held");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    beats.await;
    no_task(&runtime).await;
    report(&runtime, held.token, done("true")).await.expect("it is held");
    assert_eq!(completed_with(&result(&runtime, "w").await), "done");
}

#[tokio::test]
async fn heartbeats_without_details_keep_an_attempt_within_its_heartbeat_timeout() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(request("watch", "w", "remote-silent")).await.expect("started");
    // Its lease is much longer than the second of its heartbeat timeout.
    let held = task(&runtime).await;
    for _ in 0..10 {
        heartbeat_alone(&runtime, held.token).await.expect("it is held");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    no_task(&runtime).await;
    report(&runtime, held.token, done("true")).await.expect("it is held");
    assert_eq!(completed_with(&result(&runtime, "w").await), "true");
}

#[tokio::test]
async fn what_a_caller_that_went_away_was_given_goes_to_the_next() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    for nth in 0..20 {
        let workflow_id = format!("w-{nth}");
        let started = runtime.start_run(request("remote", &workflow_id, "1"));
        let gone = tokio::spawn({
            let runtime = runtime.clone();
            async move { runtime.poll_tasks(poll_request()).await }
        });
        started.await.expect("started");
        gone.abort();
        let task = match gone.await {
            // It was answered before it went away.
            Ok(polled) => polled.expect("polled").pop().expect("one"),
            Err(_) => task(&runtime).await,
        };
        assert_eq!(task.attempt, 1, "nobody has begun it");
        report(&runtime, task.token, done("true")).await.expect("it is held");
        result(&runtime, &workflow_id).await;
    }
}

#[tokio::test]
async fn an_activity_that_no_worker_has_ends_when_it_is_asked_to_cancel() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    watch_remote(&runtime).await;
    runtime.request_cancel(&run_ref("w"), "enough".to_owned(), None).await.expect("recorded");
    until_event(&runtime, "w", "ActivityTaskCanceled").await;
    no_task(&runtime).await;
}

#[tokio::test]
async fn a_worker_hears_that_it_is_to_cancel_and_says_that_it_did() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    watch_remote(&runtime).await;
    let task = task(&runtime).await;
    assert_eq!(heartbeat(&runtime, task.token, "1").await, Ok(false));
    let unasked = canceled_report(String::new(), None);
    assert_eq!(
        report(&runtime, task.token, unasked.clone()).await,
        Err(ErrorCode::InvalidArgument)
    );
    runtime.request_cancel(&run_ref("w"), "enough".to_owned(), None).await.expect("recorded");
    until_event(&runtime, "w", "ActivityTaskCancelRequested").await;
    assert_eq!(heartbeat(&runtime, task.token, "2").await, Ok(true));
    report(&runtime, task.token, unasked).await.expect("it was asked");
    until_event(&runtime, "w", "ActivityTaskCanceled").await;
}

#[tokio::test]
async fn a_worker_that_goes_on_after_its_grace_period_has_lost_its_lease() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    watch_remote(&runtime).await;
    let task = task(&runtime).await;
    runtime.request_cancel(&run_ref("w"), "enough".to_owned(), None).await.expect("recorded");
    until_event(&runtime, "w", "ActivityTaskCanceled").await;
    assert_eq!(heartbeat(&runtime, task.token, "2").await, Err(ErrorCode::LeaseLost));
    let late = report(&runtime, task.token, done("true")).await;
    assert_eq!(late, Err(ErrorCode::ActivityNotFound));
}

#[tokio::test]
async fn a_paused_activity_is_not_handed_out() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    watch_remote(&runtime).await;
    let control = async |control| {
        let run = run_ref("w");
        let controlled =
            runtime.control_activity(&run, OperationId(1), control, String::new()).await;
        controlled.expect("recorded");
    };
    control(ActivityControl::Pause).await;
    no_task(&runtime).await;
    control(ActivityControl::Unpause).await;
    let task = task(&runtime).await;
    report(&runtime, task.token, done("true")).await.expect("it is held");
    assert_eq!(completed_with(&result(&runtime, "w").await), "true");
}

#[tokio::test]
async fn an_activity_is_completed_by_name_whether_or_not_a_worker_has_it() {
    for is_held in [false, true] {
        let runtime = start(memory(), &ScriptedHost::new()).await;
        watch_remote(&runtime).await;
        let held = if is_held { Some(task(&runtime).await) } else { None };
        let by_name = ActivityRef::Operation { run: run_ref("w"), operation_id: OperationId(1) };
        runtime.report_activity(&by_name, done("by name")).await.expect("it is pending");
        assert_eq!(completed_with(&result(&runtime, "w").await), "by name");
        if let Some(held) = held {
            assert_eq!(heartbeat(&runtime, held.token, "1").await, Err(ErrorCode::LeaseLost));
        }
        no_task(&runtime).await;
    }
}

#[tokio::test]
async fn an_attempt_that_waits_and_is_said_to_have_failed_is_followed_by_the_next() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_remote(&runtime, "remote", 1).await;
    let by_name = ActivityRef::Operation { run: run_ref("w"), operation_id: OperationId(1) };
    runtime.report_activity(&by_name, failed("by name")).await.expect("it is pending");
    let next = task(&runtime).await;
    assert_eq!(next.attempt, 2);
    assert_eq!(next.last_failure.expect("it has failed").info.message, "by name");
    report(&runtime, next.token, done("true")).await.expect("it is held");
    assert_eq!(completed_with(&result(&runtime, "w").await), "done");
}

#[tokio::test]
async fn types_that_a_worker_does_not_run_are_left_to_others() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let types = vec!["other".parse().expect("valid")];
    let other = PollRequest {
        activity_types: types,
        worker: WorkerIdentity::new("other").expect("valid"),
        wait_seconds: Some(0.2),
        ..poll_request()
    };
    let polled = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.poll_tasks(other).await }
    });
    start_remote(&runtime, "remote", 1).await;
    assert_eq!(polled.await.expect("no panic").expect("polled"), []);
    let task = task(&runtime).await;
    report(&runtime, task.token, done("true")).await.expect("it is held");
}

#[tokio::test]
async fn the_next_node_knows_the_leases_of_the_one_before() {
    let (store, host) = (memory(), ScriptedHost::new());
    let before = start(store.clone(), &host).await;
    start_remote(&before, "remote", 3).await;
    let (kept, _silent) = (task(&before).await, ());
    before.halt().await;
    let runtime = start(store.clone(), &host).await;
    heartbeat(&runtime, kept.token, "1").await.expect("it is held");
    report(&runtime, kept.token, done("true")).await.expect("it is held");
    let silent = task_for(&runtime, short_lease()).await;
    runtime.halt().await;
    let runtime = start(store, &host).await;
    let next = task(&runtime).await;
    assert_eq!(next.attempt, 2, "nobody has told this node of the lease");
    assert_eq!(report(&runtime, silent.token, done("late")).await, Err(ErrorCode::LeaseLost));
    report(&runtime, next.token, done("true")).await.expect("it is held");
}

/// Fails one commit, or the call that claims tasks.
fn failing(
    inner: Arc<dyn Store>,
    operation: Operation,
    number: u64,
    fault: Fault,
) -> (Arc<dyn Store>, Arc<AtomicBool>) {
    let failed = Arc::new(AtomicBool::new(false));
    let script_failed = failed.clone();
    let store = scripted(inner, &Calls::default(), move |call: Call| {
        if call.operation == operation && call.number == number {
            script_failed.store(true, Ordering::SeqCst);
            return fault.clone();
        }
        Fault::None
    });
    (store, failed)
}

#[tokio::test]
async fn whatever_becomes_of_a_commit_each_step_has_one_outcome() {
    for fault in commit_faults() {
        for number in 1..=u64::from(STEPS) + 1 {
            let (store, has_failed) = failing(memory(), Operation::Commit, number, fault.clone());
            let runtime = start(store, &ScriptedHost::new()).await;
            let _ = runtime.start_run(request("remote", "w", &STEPS.to_string())).await;
            work_until_closed(&runtime, "w").await;
            assert!(has_failed.load(Ordering::SeqCst), "commit {number} {fault:?}");
            let outcomes = history(&runtime, "w").await;
            let outcomes = outcomes.iter().filter(|event| {
                matches!(event.attributes, EventAttributes::ActivityTaskCompleted { .. })
            });
            assert_eq!(outcomes.count(), STEPS as usize, "commit {number} {fault:?}");
            runtime.halt().await;
        }
    }
}

#[tokio::test]
async fn a_node_that_dies_after_any_commit_loses_no_task() {
    for number in 1..=u64::from(STEPS) + 1 {
        let (inner, host) = (memory(), ScriptedHost::new());
        let dead = Arc::new(AtomicBool::new(false));
        let script_dead = dead.clone();
        let store = scripted(inner.clone(), &Calls::default(), move |call: Call| {
            if script_dead.load(Ordering::SeqCst) {
                return Fault::Unavailable;
            }
            if call.operation == Operation::Commit && call.number == number {
                script_dead.store(true, Ordering::SeqCst);
                return Fault::DoneButUnavailable;
            }
            Fault::None
        });
        let dying = start(store, &host).await;
        let worker = tokio::spawn({
            let dying = dying.clone();
            async move {
                let _ = dying.start_run(request("remote", "w", &STEPS.to_string())).await;
                loop {
                    let request = PollRequest { lease_seconds: Some(1.0), ..poll_request() };
                    for task in dying.poll_tasks(request).await.unwrap_or_default() {
                        let reports = vec![(task.token, Report::Completed(task.input))];
                        let _ = dying.report_tasks(reports).await;
                    }
                    tokio::task::yield_now().await;
                }
            }
        });
        let died = async {
            while !dead.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, died).await.expect("the commit comes");
        worker.abort();
        dying.halt().await;
        let runtime = start(inner, &host).await;
        work_until_closed(&runtime, "w").await;
        assert_eq!(completed_with(&result(&runtime, "w").await), "done", "commit {number}");
    }
}

#[tokio::test]
async fn a_poll_whose_claims_fail_is_not_told_that_nothing_waits() {
    let calls = Calls::default();
    let store = scripted(memory(), &calls, |call| match call.operation {
        Operation::ClaimTasks => Fault::Unavailable,
        _ => Fault::None,
    });
    let runtime = start(store, &ScriptedHost::new()).await;
    let request = PollRequest { wait_seconds: Some(0.05), ..poll_request() };
    let refused = runtime.poll_tasks(request).await.expect_err("nobody knows what waits");
    assert_eq!(refused.code, ErrorCode::Unavailable);
}

#[tokio::test]
async fn queues_are_listed_page_by_page() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let names = ["a", "b", "c"].map(|name| QueueName::new(name).expect("valid"));
    for queue in names.clone() {
        let request = PollRequest { queue, wait_seconds: Some(0.0), ..poll_request() };
        assert_eq!(runtime.poll_tasks(request).await.expect("polled"), []);
    }
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = runtime.list_task_queues(after, 2).await.expect("listed");
        listed.extend(page.queues.into_iter().map(|described| described.queue));
        after = match page.next {
            Some(next) => Some(next),
            None => break,
        };
    }
    assert_eq!(listed, names);
}
