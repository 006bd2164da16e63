//! Heartbeats, cancellation, completion from outside, and an operator's hand.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use dacapo_model::event::EventAttributes;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::OperationId;
use dacapo_model::payload::Payload;
use dacapo_model::timer::NEVER;
use dacapo_service::operations::{
    ActivityControl, ActivityDescription, ActivityRef, Report, RunResult, StartRequest,
};
use dacapo_store::faulty::{Call, Fault, Operation};
use support::guests::ScriptedHost;
use support::*;

async fn watch(runtime: &Node, activity: &str) {
    runtime.start_run(request("watch", "w", activity)).await.expect("started");
}

fn failed_with(result: &RunResult) -> Failure {
    match result.closing.as_ref().map(|closing| &closing.attributes) {
        Some(EventAttributes::WorkflowExecutionFailed { failure, .. }) => failure.clone(),
        other => panic!("the run has not failed: {other:?}"),
    }
}

async fn pending(runtime: &Node) -> ActivityDescription {
    let description = runtime.describe_run(&run_ref("w")).await.expect("described");
    description.pending_activities.into_iter().next().expect("an activity is pending")
}

async fn until_pending(runtime: &Node, is: impl Fn(&ActivityDescription) -> bool) {
    let reached = async {
        while !is(&pending(runtime).await) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("the activity comes there");
}

fn by_name() -> ActivityRef {
    ActivityRef::Operation { run: run_ref("w"), operation_id: OperationId(1) }
}

fn by_token(token: &str) -> ActivityRef {
    ActivityRef::Token(token.parse().expect("a token"))
}

async fn token(host: &ScriptedHost, nth: usize) -> String {
    let given = async {
        loop {
            if let Some(token) = host.tokens.lock().get(nth).cloned() {
                return token;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, given).await.expect("a token is given")
}

fn done() -> Report {
    Report::Completed(Payload::new("done"))
}

async fn control(runtime: &Node, control: ActivityControl) {
    let run = run_ref("w");
    let controlled = runtime.control_activity(&run, OperationId(1), control, String::new());
    controlled.await.expect("recorded");
}

/// A store whose n-th commit is done although it seems to fail, and that nobody
/// reaches any more afterwards.
fn dying_at(
    inner: Arc<dyn dacapo_store::Store>,
    commit: u64,
) -> (Arc<dyn dacapo_store::Store>, Arc<AtomicBool>) {
    let dead = Arc::new(AtomicBool::new(false));
    let script_dead = dead.clone();
    let store = scripted(inner, &Calls::default(), move |call: Call| {
        if script_dead.load(Ordering::SeqCst) {
            return Fault::Unavailable;
        }
        if call.operation == Operation::Commit && call.number == commit {
            script_dead.store(true, Ordering::SeqCst);
            return Fault::DoneButUnavailable;
        }
        Fault::None
    });
    (store, dead)
}

async fn died(dead: &AtomicBool) {
    let died = async {
        while !dead.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, died).await.expect("the commit comes");
}

#[tokio::test]
async fn what_an_attempt_said_last_is_told_to_the_next() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    watch(&runtime, "beating").await;
    assert_eq!(completed_with(&result(&runtime, "w").await), "7");
    assert_eq!(
        event_types(&runtime, "w").await[1..],
        ["ActivityTaskScheduled", "ActivityTaskCompleted", "WorkflowExecutionCompleted"]
    );
}

#[tokio::test]
async fn what_an_attempt_said_survives_its_node() {
    // The start, and the two heartbeats with the failure, or one after the other.
    for commit in 2..=3 {
        let (host, inner) = (ScriptedHost::new(), memory());
        let (store, dead) = dying_at(inner.clone(), commit);
        let first = start(store, &host).await;
        watch(&first, "beating").await;
        died(&dead).await;
        let second = start(inner, &host).await;
        let said = completed_with(&result(&second, "w").await);
        assert!(["6", "7"].contains(&said.as_str()), "commit {commit}: {said}");
    }
}

#[tokio::test]
async fn an_activity_ends_as_cancelled_with_what_it_has_to_say() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    watch(&runtime, "polite").await;
    host.gate.acquire().await.expect("it runs").forget();
    runtime.request_cancel(&run_ref("w"), "enough".to_owned(), None).await.expect("recorded");
    let failure = failed_with(&result(&runtime, "w").await);
    assert_eq!(failure.info.kind, FailureKind::Activity);
    assert_eq!(failure.causes[0].kind, FailureKind::Cancelled);
    assert_eq!(failure.causes[0].details, Some(Payload::new("17")));
    assert_eq!(
        event_types(&runtime, "w").await[2..],
        [
            "WorkflowExecutionCancelRequested",
            "ActivityTaskCancelRequested",
            "ActivityTaskCanceled",
            "WorkflowExecutionFailed"
        ]
    );
}

#[tokio::test]
async fn an_activity_that_does_not_end_in_time_is_stopped() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    watch(&runtime, "never").await;
    runtime.request_cancel(&run_ref("w"), "enough".to_owned(), None).await.expect("recorded");
    let failure = failed_with(&result(&runtime, "w").await);
    assert_eq!(failure.causes[0].kind, FailureKind::Cancelled);
    assert!(failure.causes[0].message.contains("grace"), "{failure:?}");
}

#[tokio::test]
async fn an_activity_whose_node_died_after_the_request_ends_as_cancelled() {
    let (host, inner) = (ScriptedHost::new(), memory());
    let (store, dead) = dying_at(inner.clone(), 2);
    let first = start(store, &host).await;
    watch(&first, "never").await;
    let first = Arc::new(first);
    let asking = {
        let first = first.clone();
        tokio::spawn(async move {
            let _lost = first.request_cancel(&run_ref("w"), "enough".to_owned(), None).await;
        })
    };
    died(&dead).await;
    let second = start(inner, &host).await;
    let failure = failed_with(&result(&second, "w").await);
    assert_eq!(failure.causes[0].kind, FailureKind::Cancelled);
    assert_eq!(host.attempts_of("never", ""), 1, "it was not made again");
    asking.abort();
}

#[tokio::test]
async fn an_attempt_is_completed_by_its_token_once() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    watch(&runtime, "later").await;
    let token = token(&host, 0).await;
    assert!(pending(&runtime).await.is_open);
    let heard = runtime.heartbeat_activity(&by_token(&token), None).await.expect("it is open");
    assert!(!heard.cancel_requested && !heard.paused);
    runtime.report_activity(&by_token(&token), done()).await.expect("it is open");
    assert_eq!(completed_with(&result(&runtime, "w").await), "done");
    for again in [by_token(&token), by_name()] {
        let refused = runtime.report_activity(&again, done()).await.expect_err("it is over");
        assert_eq!(refused.code.as_str(), "activity_not_found");
    }
}

#[tokio::test]
async fn an_attempt_that_is_open_is_not_made_again_by_another_node() {
    let (host, inner) = (ScriptedHost::new(), memory());
    let (store, dead) = dying_at(inner.clone(), 2);
    let first = start(store, &host).await;
    watch(&first, "later").await;
    died(&dead).await;
    let second = start(inner, &host).await;
    until_pending(&second, |activity| activity.is_open).await;
    let open = second.report_activity(&by_name(), done()).await;
    open.expect("it is completed by its name, if the token was lost");
    assert_eq!(completed_with(&result(&second, "w").await), "done");
    assert_eq!(host.attempts_of("later", ""), 1);
}

#[tokio::test]
async fn a_silent_attempt_that_is_open_is_made_again_and_its_token_is_of_no_use() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    watch(&runtime, "later").await;
    let (first, second) = (token(&host, 0).await, token(&host, 1).await);
    let stale = runtime.report_activity(&by_token(&first), done()).await;
    assert_eq!(stale.expect_err("it is over").code.as_str(), "activity_not_found");
    let failure = pending(&runtime).await.last_failure.expect("it is kept");
    assert_eq!(failure.info.type_name, "Heartbeat");
    runtime.report_activity(&by_token(&second), done()).await.expect("it is open");
    assert_eq!(result(&runtime, "w").await.status, ExecutionStatus::Completed);
}

#[tokio::test]
async fn an_open_attempt_that_was_asked_to_cancel_hears_of_it_and_ends_in_time() {
    for ends in [true, false] {
        let host = ScriptedHost::new();
        let runtime = start(memory(), &host).await;
        watch(&runtime, "later").await;
        let token = by_token(&token(&host, 0).await);
        let cancelled = Failure::new(FailureKind::Cancelled, "Cancelled", "as asked");
        let unasked = runtime.report_activity(&token, Report::Canceled(cancelled.clone())).await;
        assert_eq!(unasked.expect_err("nobody asked").code.as_str(), "invalid_argument");
        runtime.request_cancel(&run_ref("w"), "enough".to_owned(), None).await.expect("recorded");
        if ends {
            let heard = runtime.heartbeat_activity(&token, None).await.expect("it is open");
            assert!(heard.cancel_requested);
            runtime.report_activity(&token, Report::Canceled(cancelled)).await.expect("asked");
        }
        let failure = failed_with(&result(&runtime, "w").await);
        assert_eq!(failure.causes[0].kind, FailureKind::Cancelled);
    }
}

#[tokio::test]
async fn an_attempt_that_runs_here_is_not_completed_from_outside() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    watch(&runtime, "never").await;
    let refused = runtime.report_activity(&by_name(), done()).await.expect_err("it runs here");
    assert_eq!(refused.code.as_str(), "activity_not_open");
    let refused = runtime.heartbeat_activity(&by_name(), None).await.expect_err("likewise");
    assert_eq!(refused.code.as_str(), "activity_not_open");
}

#[tokio::test]
async fn a_completion_whose_commit_seemed_to_fail_is_acknowledged_once() {
    for fault in commit_faults() {
        let host = ScriptedHost::new();
        let store = scripted(memory(), &Calls::default(), {
            let fault = fault.clone();
            move |call: Call| {
                let hit = call.operation == Operation::Commit && call.number == 3;
                if hit { fault.clone() } else { Fault::None }
            }
        });
        let runtime = start(store, &host).await;
        watch(&runtime, "later").await;
        let token = by_token(&token(&host, 0).await);
        runtime.report_activity(&token, done()).await.expect("acknowledged");
        assert_eq!(completed_with(&result(&runtime, "w").await), "done");
        let types = event_types(&runtime, "w").await;
        assert_eq!(types.iter().filter(|it| **it == "ActivityTaskCompleted").count(), 1);
    }
}

#[tokio::test]
async fn heartbeats_from_outside_share_their_commits() {
    let host = ScriptedHost::new();
    let commits = Arc::new(AtomicU64::new(0));
    let counted = commits.clone();
    let store = scripted(memory(), &Calls::default(), move |call: Call| {
        if call.operation == Operation::Commit {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        Fault::None
    });
    let runtime = start(store, &host).await;
    watch(&runtime, "later").await;
    let token = by_token(&token(&host, 0).await);
    let before = commits.load(Ordering::SeqCst);
    for number in 0..100_u32 {
        let details = Some(Payload::new(number.to_string()));
        runtime.heartbeat_activity(&token, details).await.expect("it is open");
    }
    assert!(commits.load(Ordering::SeqCst) - before <= 3, "the others wait for their time");
    runtime
        .report_activity(&token, Report::Failed(Failure::new(FailureKind::Application, "A", "b")))
        .await
        .expect("it is open");
    let kept = pending(&runtime).await.heartbeat_details;
    assert_eq!(kept, Some(Payload::new("99")), "the last is stored with the failure");
}

#[tokio::test]
async fn a_paused_activity_waits_also_on_another_node_and_goes_on_at_once() {
    let (host, store) = (ScriptedHost::new(), memory());
    let first = start(store.clone(), &host).await;
    watch(&first, "yielding").await;
    host.gate.acquire().await.expect("it runs").forget();
    control(&first, ActivityControl::Pause).await;
    control(&first, ActivityControl::Pause).await;
    until_pending(&first, |activity| activity.attempt == 2).await;
    first.shutdown().await;

    let second = start(store, &host).await;
    assert!(pending(&second).await.paused);
    assert_eq!(host.attempts_of("yielding", ""), 1);
    control(&second, ActivityControl::Unpause).await;
    assert_eq!(result(&second, "w").await.status, ExecutionStatus::Completed);
    assert_eq!(host.attempts_of("yielding", ""), 2);
}

/// Else its run would be woken by every scan, for as long as the pause takes.
#[tokio::test]
async fn no_scan_finds_the_row_of_a_paused_activity() {
    let (host, store) = (ScriptedHost::new(), memory());
    let runtime = start(store.clone(), &host).await;
    watch(&runtime, "yielding").await;
    host.gate.acquire().await.expect("it runs").forget();
    control(&runtime, ActivityControl::Pause).await;
    let key = runtime.describe_run(&run_ref("w")).await.expect("described").execution.key;
    let held = async {
        loop {
            let rows = store.run_timers(&[key]).await.expect("readable");
            if rows.first().is_some_and(|row| row.fire_at == NEVER) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, held).await.expect("its time does not come");
    assert_eq!(pending(&runtime).await.next_attempt_at, None);
    runtime.shutdown().await;

    let second = start(store, &host).await;
    control(&second, ActivityControl::Unpause).await;
    assert_eq!(result(&second, "w").await.status, ExecutionStatus::Completed);
}

#[tokio::test]
async fn a_reset_activity_starts_over_with_attempt_1() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    watch(&runtime, "gated").await;
    until_attempts(&host, 1).await;
    control(&runtime, ActivityControl::Reset { forget_heartbeat: false }).await;
    until_attempts(&host, 2).await;
    assert_eq!(pending(&runtime).await.attempt, 1);
    host.gate.add_permits(1);
    assert_eq!(result(&runtime, "w").await.status, ExecutionStatus::Completed);
    let history = history(&runtime, "w").await;
    let attempt = history.iter().find_map(|event| match &event.attributes {
        EventAttributes::ActivityTaskCompleted { attempt, .. } => Some(*attempt),
        _ => None,
    });
    assert_eq!(attempt, Some(1));
}

async fn until_attempts(host: &ScriptedHost, attempts: u32) {
    let reached = async {
        while host.attempts_of("gated", "") < attempts {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("the attempt begins");
}

#[tokio::test]
async fn only_what_is_pending_is_controlled() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    watch(&runtime, "never").await;
    let run = run_ref("w");
    let pause = |operation| {
        let control = ActivityControl::Pause;
        runtime.control_activity(&run, OperationId(operation), control, String::new())
    };
    assert_eq!(pause(2).await.expect_err("unknown").code.as_str(), "activity_not_found");
    runtime.terminate_run(&run_ref("w"), String::new()).await.expect("terminated");
    assert_eq!(pause(1).await.expect_err("closed").code.as_str(), "run_closed");
}

#[tokio::test]
async fn attempts_that_do_not_end_leave_room_for_those_of_other_modules() {
    let host = ScriptedHost::with_room_for(8);
    let runtime = start(memory(), &host).await;
    for number in 0..16 {
        let started = runtime.start_run(request("watch", &format!("loud-{number}"), "gated"));
        started.await.expect("started");
    }
    until_attempts(&host, 7).await;
    let name = "quiet".parse().expect("valid");
    let bytes = Bytes::from_static(b"quiet");
    runtime.upload_module(&name, bytes).await.expect("the upload is accepted");
    let quiet = StartRequest { module: Some(name), ..request("sequential", "quiet", "3") };
    runtime.start_run(quiet).await.expect("started");
    assert_eq!(result(&runtime, "quiet").await.status, ExecutionStatus::Completed);
    assert_eq!(host.attempts_of("gated", ""), 7);
    host.gate.add_permits(16);
    for number in 0..16 {
        let loud = result(&runtime, &format!("loud-{number}")).await;
        assert_eq!(loud.status, ExecutionStatus::Completed);
    }
}
