//! Queries, published values and updates.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{QueryName, UpdateId, UpdateName};
use dacapo_model::limits::Limits;
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_model::update::Update;
use dacapo_service::config::ServiceConfig;
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{
    Awaited, QueryOutcome, RejectIf, UpdateProgress, UpdateResult, UpdateWait, WaitFor,
};
use dacapo_store::Store;
use dacapo_store::faulty::{Fault, Operation};
use support::guests::ScriptedHost;
use support::*;

/// Waits for the outcome, for as long as it takes.
const TO_THE_END: UpdateWait = UpdateWait { wait_for: WaitFor::Completed, wait: PATIENCE };
/// Long enough for a store that has one fault.
const BRIEF: Duration = Duration::from_secs(5);
const NOT: UpdateWait = UpdateWait { wait_for: WaitFor::Completed, wait: Duration::ZERO };

fn update(id: &str, name: &str, input: &str) -> Update {
    Update {
        id: UpdateId::new(id).expect("valid"),
        name: UpdateName::new(name).expect("valid"),
        input: Payload::new(input.to_owned()),
    }
}

async fn send(
    runtime: &Node,
    (id, name, input): (&str, &str, &str),
    wait: UpdateWait,
) -> Result<UpdateResult, ServiceError> {
    runtime.update_run(&run_ref("c"), update(id, name, input), wait).await
}

async fn sent(runtime: &Node, update: (&str, &str, &str), wait: UpdateWait) -> UpdateProgress {
    send(runtime, update, wait).await.expect("it is taken").progress
}

fn done(total: &'static str) -> UpdateProgress {
    UpdateProgress::Completed(Ok(Payload::new(total)))
}

async fn look(runtime: &Node, id: &str, wait: UpdateWait) -> UpdateProgress {
    let id = UpdateId::new(id).expect("valid");
    runtime.describe_update(&run_ref("c"), id, wait).await.expect("it is known").progress
}

async fn ask(runtime: &Node, name: &str) -> Result<String, ServiceError> {
    let query = Query { name: QueryName::new(name).expect("valid"), input: Payload::default() };
    let answer = runtime.query_run(&run_ref("c"), query, RejectIf::None).await?;
    match answer.outcome {
        QueryOutcome::Answered(value) => Ok(String::from_utf8_lossy(value.as_bytes()).into_owned()),
        other => panic!("not answered: {other:?}"),
    }
}

async fn answer(runtime: &Node, name: &str) -> String {
    ask(runtime, name).await.expect("it is answered")
}

/// The code and the message of a refusal.
async fn refusal(runtime: &Node, name: &str) -> (ErrorCode, String) {
    let error = ask(runtime, name).await.expect_err("nobody can answer");
    (error.code, error.message)
}

async fn counter(store: Arc<dyn Store>, host: &Arc<ScriptedHost>) -> Node {
    let runtime = again(store, host).await;
    runtime.start_run(request("counter", "c", "0")).await.expect("starts");
    runtime
}

/// A node that does not wait for its activities when it stops.
async fn again(store: Arc<dyn Store>, host: &Arc<ScriptedHost>) -> Node {
    let config = ServiceConfig { shutdown_grace: Duration::ZERO, ..ServiceConfig::default() };
    start_with(store, host, config).await
}

const ACCEPTED: &str = "WorkflowExecutionUpdateAccepted";
const COMPLETED: &str = "WorkflowExecutionUpdateCompleted";

#[tokio::test]
async fn an_update_is_delivered_accepted_and_answered_in_one_commit_without_a_row() {
    let calls = Calls::default();
    let store = scripted(memory(), &calls, |_| Fault::None);
    let runtime = counter(store.clone(), &ScriptedHost::new()).await;
    calls.clear();
    assert_eq!(sent(&runtime, ("u", "add", "5"), TO_THE_END).await, done("5"));
    assert_eq!((calls.count(Operation::Commit), calls.reads()), (1, 0));
    assert_eq!(event_types(&runtime, "c").await, ["WorkflowExecutionStarted", ACCEPTED, COMPLETED]);
    assert_eq!(answer(&runtime, "total").await, "5");
    let execution = runtime.describe_run(&run_ref("c")).await.expect("a run").execution;
    assert_eq!(store.run_updates(&[execution.key]).await.expect("reads"), []);
}

#[tokio::test]
async fn a_rejected_update_leaves_nothing_and_may_be_sent_again() {
    let calls = Calls::default();
    let store = scripted(memory(), &calls, |_| Fault::None);
    let runtime = counter(store, &ScriptedHost::new()).await;
    calls.clear();
    let rejected = sent(&runtime, ("u", "add", "many"), TO_THE_END).await;
    let UpdateProgress::Rejected(failure) = rejected else {
        panic!("not rejected: {rejected:?}");
    };
    assert_eq!(failure.info.type_name, "NoNumber");
    assert_eq!(calls.count(Operation::Commit), 0);
    assert_eq!(event_types(&runtime, "c").await, ["WorkflowExecutionStarted"]);
    assert_eq!(sent(&runtime, ("u", "add", "1"), TO_THE_END).await, done("1"));
}

#[tokio::test]
async fn a_repeat_is_the_same_update_at_every_stage_and_after_the_end() {
    let host = ScriptedHost::new();
    let runtime = counter(memory(), &host).await;
    let accepted = UpdateWait { wait_for: WaitFor::Accepted, wait: PATIENCE };
    for _ in 0..2 {
        let progress = sent(&runtime, ("u", "gated", "5"), accepted).await;
        assert_eq!(progress, UpdateProgress::Accepted);
    }
    let waiting = tokio::spawn({
        let runtime = runtime.clone();
        async move { sent(&runtime, ("u", "gated", "5"), TO_THE_END).await }
    });
    host.gate.add_permits(1);
    assert_eq!(waiting.await.expect("no panic"), done("5"));
    assert_eq!(look(&runtime, "u", NOT).await, done("5"));
    sent(&runtime, ("end", "end", "0"), accepted).await;
    result(&runtime, "c").await;
    assert_eq!(sent(&runtime, ("u", "gated", "5"), TO_THE_END).await, done("5"));
    assert_eq!(look(&runtime, "u", NOT).await, done("5"));
    let types = event_types(&runtime, "c").await;
    assert_eq!(types.iter().filter(|it| **it == ACCEPTED).count(), 2);
}

#[tokio::test]
async fn an_update_that_the_guest_does_not_take_is_kept_and_survives_a_restart() {
    let (store, host) = (memory(), ScriptedHost::new());
    let runtime = counter(store.clone(), &host).await;
    // From now on it waits for its activity alone.
    assert_eq!(sent(&runtime, ("p", "pause", "1"), NOT).await, UpdateProgress::Accepted);
    assert_eq!(sent(&runtime, ("u", "add", "5"), NOT).await, UpdateProgress::Admitted);
    assert_eq!(look(&runtime, "u", NOT).await, UpdateProgress::Admitted);
    let described = runtime.describe_run(&run_ref("c")).await.expect("a run");
    let pending: Vec<_> =
        described.pending_updates.iter().map(|it| (it.update_id.as_str(), it.accepted)).collect();
    assert_eq!(pending, [("p", true), ("u", false)]);
    runtime.shutdown().await;

    let runtime = again(store.clone(), &host).await;
    assert_eq!(look(&runtime, "u", NOT).await, UpdateProgress::Admitted);
    host.gate.add_permits(10);
    assert_eq!(look(&runtime, "u", TO_THE_END).await, done("6"));
    assert_eq!(look(&runtime, "p", NOT).await, done("1"));
    assert_eq!(store.run_updates(&[described.execution.key]).await.expect("reads"), []);
}

#[tokio::test]
async fn an_update_that_waits_is_taken_after_a_restart_without_any_other_event() {
    let (store, host) = (memory(), ScriptedHost::new());
    let runtime = counter(store.clone(), &host).await;
    sent(&runtime, ("f", "fault", "1"), NOT).await;
    until_status(&runtime, "c", ExecutionStatus::Blocked).await;
    runtime.shutdown().await;
    // The run is fixed while nobody runs it.
    *host.faulty.lock() = false;
    let runtime = start(store, &host).await;
    assert_eq!(look(&runtime, "f", NOT).await, UpdateProgress::Admitted);
    runtime.retry_run(&run_ref("c")).await.expect("it is blocked");
    assert_eq!(look(&runtime, "f", TO_THE_END).await, done("1"));
}

#[tokio::test]
async fn a_blocked_run_keeps_updates_and_gets_them_once_it_is_tried_again() {
    let host = ScriptedHost::new();
    let runtime = counter(memory(), &host).await;
    assert_eq!(sent(&runtime, ("f", "fault", "1"), NOT).await, UpdateProgress::Admitted);
    until_status(&runtime, "c", ExecutionStatus::Blocked).await;
    assert_eq!(sent(&runtime, ("u", "add", "2"), NOT).await, UpdateProgress::Admitted);
    let (code, message) = refusal(&runtime, "seen").await;
    assert_eq!(code, ErrorCode::QueryNotServed);
    assert!(message.contains("blocked"), "{message}");
    assert_eq!(answer(&runtime, "total").await, "0", "published values are answered");
    *host.faulty.lock() = false;
    runtime.retry_run(&run_ref("c")).await.expect("it is blocked");
    assert_eq!(look(&runtime, "f", TO_THE_END).await, done("1"));
    assert_eq!(look(&runtime, "u", TO_THE_END).await, done("3"));
}

#[tokio::test]
async fn an_update_that_is_not_decided_about_is_refused_and_harms_nothing() {
    let host = ScriptedHost::new();
    let runtime = counter(memory(), &host).await;
    sent(&runtime, ("a", "add", "1"), TO_THE_END).await;
    let refused = sent(&runtime, ("u", "ignore", "1"), TO_THE_END).await;
    let UpdateProgress::Rejected(failure) = refused else {
        panic!("not refused: {refused:?}");
    };
    assert_eq!(failure.info.type_name, "UpdateNotTaken");
    assert_eq!(sent(&runtime, ("b", "add", "1"), TO_THE_END).await, done("2"));
    assert_eq!(event_types(&runtime, "c").await.len(), 5);
}

#[tokio::test]
async fn updates_without_an_outcome_are_limited() {
    let limits = Limits { updates_in_flight_max: 2, updates_max: 3, ..Limits::default() };
    let host = ScriptedHost::new();
    let config = ServiceConfig { limits, ..ServiceConfig::default() };
    let runtime = start_with(memory(), &host, config).await;
    runtime.start_run(request("counter", "c", "0")).await.expect("starts");
    for id in ["a", "b"] {
        sent(&runtime, (id, "gated", "1"), NOT).await;
    }
    let refused = send(&runtime, ("c", "add", "1"), NOT).await.expect_err("too many in flight");
    assert_eq!(refused.code, ErrorCode::TooManyUpdates);
    assert!(refused.message.contains("no outcome yet"), "{}", refused.message);
    host.gate.add_permits(2);
    look(&runtime, "a", TO_THE_END).await;
    look(&runtime, "b", TO_THE_END).await;
    sent(&runtime, ("c", "add", "1"), TO_THE_END).await;
    let refused = send(&runtime, ("d", "add", "1"), NOT).await.expect_err("too many in all");
    assert!(refused.message.contains("has had 3 updates"), "{}", refused.message);
    sent(&runtime, ("c", "add", "1"), TO_THE_END).await;
}

#[tokio::test]
async fn who_waits_for_an_update_is_told_that_the_run_closed_before() {
    let host = ScriptedHost::new();
    let runtime = counter(memory(), &host).await;
    sent(&runtime, ("slow", "gated", "1"), NOT).await;
    let waiting = tokio::spawn({
        let runtime = runtime.clone();
        async move { send(&runtime, ("slow", "gated", "1"), TO_THE_END).await }
    });
    let accepted = UpdateWait { wait_for: WaitFor::Accepted, wait: PATIENCE };
    sent(&runtime, ("end", "end", "0"), accepted).await;
    let error = waiting.await.expect("no panic").expect_err("it has no outcome");
    assert_eq!(error.code, ErrorCode::RunClosed);
    assert!(error.message.contains("before the update was completed"), "{}", error.message);
    let error = send(&runtime, ("new", "add", "1"), NOT).await.expect_err("it is closed");
    assert_eq!(error.code, ErrorCode::RunClosed);
}

#[tokio::test]
async fn a_run_whose_code_has_returned_is_asked_if_its_module_can_be() {
    let runtime = counter(memory(), &ScriptedHost::new()).await;
    let accepted = UpdateWait { wait_for: WaitFor::Accepted, wait: PATIENCE };
    sent(&runtime, ("end", "end", "0"), accepted).await;
    runtime.run_result(&run_ref("c"), PATIENCE).await.expect("a run");
    let (code, message) = refusal(&runtime, "seen").await;
    assert_eq!(code, ErrorCode::QueryNotServed);
    assert!(message.contains("no answers after the end"), "{message}");
}

#[tokio::test]
async fn updates_that_wait_go_over_to_the_run_that_continues_and_so_does_who_waits() {
    let (store, host) = (memory(), ScriptedHost::new());
    let runtime = counter(store.clone(), &host).await;
    sent(&runtime, ("p", "pause", "1"), NOT).await;
    sent(&runtime, ("again", "again", "0"), NOT).await;
    sent(&runtime, ("u", "add", "5"), NOT).await;
    let first = runtime.describe_run(&run_ref("c")).await.expect("a run").execution.key;
    let waiting = tokio::spawn({
        let runtime = runtime.clone();
        async move { send(&runtime, ("u", "add", "5"), TO_THE_END).await }
    });
    tokio::task::yield_now().await;
    host.gate.add_permits(1);
    let told = waiting.await.expect("no panic").expect("it is not lost");
    assert_eq!(told.progress, done("6"));
    assert_ne!(told.run_id, first.run_id);
    let second = runtime.describe_run(&run_ref("c")).await.expect("a run").execution.key;
    assert_eq!(told.run_id, second.run_id);
    assert_eq!(store.run_updates(&[first, second]).await.expect("reads"), []);
}

#[tokio::test]
async fn a_repeat_is_answered_by_the_run_that_has_it_whatever_has_followed_that() {
    let (store, host) = (memory(), ScriptedHost::new());
    let runtime = counter(store.clone(), &host).await;
    let first = send(&runtime, ("u", "add", "5"), TO_THE_END).await.expect("it is taken");
    let is_known = async |runtime: &Node| {
        let told = send(runtime, ("u", "add", "5"), TO_THE_END).await.expect("it is known");
        assert_eq!(told, first);
        let id = UpdateId::new("u").expect("valid");
        let told = runtime.describe_update(&run_ref("c"), id, NOT).await.expect("it is known");
        assert_eq!(told, first);
        // It was accepted, and its run has ended since.
        let error = send(runtime, ("x", "again", "0"), TO_THE_END).await.expect_err("no answer");
        assert_eq!(error.code, ErrorCode::RunClosed, "{}", error.message);
    };
    for id in ["x", "y"] {
        let ended = send(&runtime, (id, "again", "0"), TO_THE_END).await;
        assert_eq!(ended.expect_err("it continues as new").code, ErrorCode::RunClosed);
        is_known(&runtime).await;
    }
    let runtime = again(store, &host).await;
    is_known(&runtime).await;
    assert_eq!(answer(&runtime, "total").await, "5", "it was added once");
    send(&runtime, ("z", "end", "0"), TO_THE_END).await.expect_err("it ends");
    is_known(&runtime).await;
}

#[tokio::test]
async fn no_update_is_lost_or_done_twice_while_runs_continue_as_new_under_fire() {
    let runtime = counter(memory(), &ScriptedHost::new()).await;
    let mut sending = tokio::task::JoinSet::new();
    for number in 0..60 {
        let runtime = runtime.clone();
        sending.spawn(async move {
            let id = format!("u{number}");
            let name = if number % 6 == 0 { "again" } else { "add" };
            loop {
                match send(&runtime, (&id, name, "1"), TO_THE_END).await {
                    Ok(_) => return,
                    // An `again` is never answered; an `add` always is.
                    Err(error) if name == "again" => {
                        assert_eq!(error.code, ErrorCode::RunClosed, "{}", error.message);
                        return;
                    }
                    Err(error) => {
                        assert_eq!(error.code, ErrorCode::TooManyUpdates, "{}", error.message);
                        tokio::task::yield_now().await;
                    }
                }
            }
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent.expect("no panic");
    }
    assert_eq!(answer(&runtime, "total").await, "50");
}

#[tokio::test]
async fn an_update_may_come_with_the_start_in_one_commit() {
    let calls = Calls::default();
    let store = scripted(memory(), &calls, |_| Fault::None);
    let runtime = start(store, &ScriptedHost::new()).await;
    calls.clear();
    let start = |id: &str| {
        let runtime = runtime.clone();
        let mut request = request("counter", "c", "10");
        request.conflict_policy = Some(dacapo_model::execution::IdConflictPolicy::UseExisting);
        let update = update(id, "add", "5");
        async move { runtime.start_run_with_update(request, update, TO_THE_END).await }
    };
    let (started, told) = start("a").await.expect("starts");
    assert_eq!((started.started, told.progress), (true, done("15")));
    assert_eq!(calls.count(Operation::Commit), 1);
    let (found, told) = start("b").await.expect("finds it");
    assert_eq!((found.started, found.run_id, told.progress), (false, started.run_id, done("20")));
    let (_, told) = start("b").await.expect("finds it again");
    assert_eq!(told.progress, done("20"), "the same update");
    let (_, told) = start("a").await.expect("finds it again");
    assert_eq!(told.progress, done("15"));
    let mut replacing = request("counter", "c", "100");
    replacing.conflict_policy = Some(dacapo_model::execution::IdConflictPolicy::TerminateExisting);
    let replaced = runtime.start_run_with_update(replacing, update("c", "add", "5"), TO_THE_END);
    let (started, told) = replaced.await.expect("replaces it");
    assert_eq!((started.started, told.progress), (true, done("105")));
    assert_eq!(told.run_id, started.run_id);
}

#[tokio::test]
async fn a_start_whose_update_is_rejected_says_so_whatever_becomes_of_the_commit() {
    for fault in commit_faults() {
        let injected = fault.clone();
        let store = scripted(memory(), &Calls::default(), move |call| {
            match (call.operation, call.number) {
                (Operation::Commit, 1) => injected.clone(),
                _ => Fault::None,
            }
        });
        let runtime = again(store, &ScriptedHost::new()).await;
        let request = request("counter", "c", "0");
        let rejected = update("u", "add", "no number");
        let (started, told) = runtime
            .start_run_with_update(request, rejected, UpdateWait { wait: BRIEF, ..TO_THE_END })
            .await
            .unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert!(started.started, "{fault:?}");
        let is_rejected = matches!(told.progress, UpdateProgress::Rejected(_));
        assert!(is_rejected, "{fault:?}: {:?}", told.progress);
        assert_eq!(answer(&runtime, "total").await, "0");
    }
}

/// Rejected by the same transition that ends the run.
#[tokio::test]
async fn an_update_that_was_rejected_at_the_end_is_told_so_whatever_becomes_of_the_commit() {
    for fault in commit_faults() {
        let injected = fault.clone();
        let store = scripted(memory(), &Calls::default(), move |call| {
            match (call.operation, call.number) {
                (Operation::Commit, 2) => injected.clone(),
                _ => Fault::None,
            }
        });
        let runtime = counter(store, &ScriptedHost::new()).await;
        // Both are in the mailbox before the run looks: they share a transition.
        let (rejected, ended) = futures::join!(
            send(&runtime, ("r", "add", "no number"), TO_THE_END),
            send(&runtime, ("e", "end", "0"), TO_THE_END),
        );
        let rejected = rejected.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert!(matches!(rejected.progress, UpdateProgress::Rejected(_)), "{fault:?}");
        assert_eq!(ended.expect_err("it has no answer").code, ErrorCode::RunClosed, "{fault:?}");
    }
}

#[tokio::test]
async fn an_update_is_done_once_whatever_becomes_of_a_commit() {
    for fault in commit_faults() {
        for at in 1..=4 {
            let calls = Calls::default();
            let fault = fault.clone();
            let store =
                scripted(memory(), &calls, move |call| match (call.operation, call.number == at) {
                    (Operation::Commit, true) => fault.clone(),
                    _ => Fault::None,
                });
            let host = ScriptedHost::new();
            let runtime = start(store, &host).await;
            let started = runtime.start_run(request("counter", "c", "0")).await;
            if started.is_err() {
                runtime.start_run(request("counter", "c", "0")).await.expect("starts");
            }
            assert_eq!(sent(&runtime, ("a", "add", "1"), TO_THE_END).await, done("1"), "at {at}");
            assert_eq!(sent(&runtime, ("b", "slow", "1"), TO_THE_END).await, done("2"), "at {at}");
            assert_eq!(answer(&runtime, "total").await, "2");
            assert_eq!(answer(&runtime, "seen").await, "2");
            let types = event_types(&runtime, "c").await;
            assert_eq!(types.iter().filter(|it| **it == COMPLETED).count(), 2, "{types:?}");
        }
    }
}

#[tokio::test]
async fn an_update_that_is_kept_survives_whatever_becomes_of_its_commit() {
    for fault in commit_faults() {
        let calls = Calls::default();
        let counted = calls.clone();
        let store = scripted(memory(), &calls, move |call| {
            // The third: the start, the pause, the update.
            let third = call.operation == Operation::Commit && call.number == 3;
            if third && counted.count(Operation::Commit) >= 3 { fault.clone() } else { Fault::None }
        });
        let host = ScriptedHost::new();
        let runtime = counter(store.clone(), &host).await;
        sent(&runtime, ("p", "pause", "1"), NOT).await;
        assert_eq!(sent(&runtime, ("u", "add", "5"), NOT).await, UpdateProgress::Admitted);
        runtime.shutdown().await;
        let runtime = start(store, &host).await;
        host.gate.add_permits(10);
        assert_eq!(look(&runtime, "u", TO_THE_END).await, done("6"));
    }
}

#[tokio::test]
async fn a_query_sees_what_was_acknowledged_and_records_nothing() {
    let host = ScriptedHost::new();
    let runtime = counter(memory(), &host).await;
    for number in 1..=5 {
        sent(&runtime, (&number.to_string(), "add", "1"), TO_THE_END).await;
        assert_eq!(answer(&runtime, "seen").await, number.to_string());
        runtime.signal_run(&run_ref("c"), signal("10")).await.expect("it is open");
        assert_eq!(answer(&runtime, "total").await, (number * 11).to_string());
    }
    assert_eq!(event_types(&runtime, "c").await.len(), 16);
    assert_eq!(host.launches.load(Ordering::SeqCst), 1, "the instance stays");
}

#[tokio::test]
async fn a_query_wakes_a_run_that_has_left_memory_and_a_published_value_does_not() {
    let (store, host) = (memory(), ScriptedHost::new());
    let runtime = counter(store.clone(), &host).await;
    sent(&runtime, ("u", "add", "5"), TO_THE_END).await;
    runtime.shutdown().await;
    let runtime = start(store, &host).await;
    let launches = host.launches.load(Ordering::SeqCst);
    assert_eq!(answer(&runtime, "total").await, "5");
    assert_eq!(host.launches.load(Ordering::SeqCst), launches);
    assert_eq!(answer(&runtime, "seen").await, "1");
    assert_eq!(host.launches.load(Ordering::SeqCst), launches + 1);
}

#[tokio::test]
async fn values_that_are_stored_are_not_written_again_by_a_run_that_is_loaded() {
    let (store, host) = (memory(), ScriptedHost::new());
    let runtime = counter(store.clone(), &host).await;
    runtime.signal_run(&run_ref("c"), signal("5")).await.expect("it is open");
    runtime.shutdown().await;
    let calls = Calls::default();
    let runtime = again(scripted(store, &calls, |_| Fault::None), &host).await;
    assert_eq!(answer(&runtime, "seen").await, "0", "its code is back");
    assert_eq!(answer(&runtime, "total").await, "5");
    runtime.shutdown().await;
    assert_eq!(calls.count(Operation::Commit), 0);
}

#[tokio::test]
async fn a_guest_that_misbehaves_in_a_query_fails_it_and_nothing_else() {
    let runtime = counter(memory(), &ScriptedHost::new()).await;
    sent(&runtime, ("a", "add", "5"), TO_THE_END).await;
    for (name, words) in [("misbehave", "started a timer"), ("silent", "waited for")] {
        let (code, message) = refusal(&runtime, name).await;
        assert_eq!(code, ErrorCode::QueryFailed);
        assert!(message.contains(words), "{message}");
    }
    let (code, message) = refusal(&runtime, "other").await;
    assert_eq!(code, ErrorCode::QueryFailed);
    assert!(message.contains("there is: seen"), "{message}");
    assert_eq!(answer(&runtime, "seen").await, "1");
    assert_eq!(sent(&runtime, ("b", "add", "1"), TO_THE_END).await, done("6"));
    assert_eq!(event_types(&runtime, "c").await.len(), 5);
}

#[tokio::test]
async fn a_guest_that_waits_for_one_thing_says_so_and_its_published_values_are_answered() {
    let host = ScriptedHost::new();
    let runtime = counter(memory(), &host).await;
    sent(&runtime, ("p", "pause", "1"), NOT).await;
    let (code, message) = refusal(&runtime, "seen").await;
    assert_eq!(code, ErrorCode::QueryNotServed);
    assert!(message.contains("operation 1") && message.contains("Published"), "{message}");
    assert_eq!(answer(&runtime, "total").await, "0");
    let waiting = runtime.describe_waiting(&run_ref("c")).await.expect("it is open");
    let Some(Awaited::Activity { activity_type, attempt: 1, .. }) = waiting.awaited else {
        panic!("it waits elsewhere: {waiting:?}");
    };
    assert_eq!(activity_type.as_str(), "gated");
    host.gate.add_permits(1);
    look(&runtime, "p", TO_THE_END).await;
    assert_eq!(answer(&runtime, "seen").await, "1");
    let waiting = runtime.describe_waiting(&run_ref("c")).await.expect("it is open");
    assert_eq!(waiting.awaited, Some(Awaited::Next));
    assert_eq!(event_types(&runtime, "c").await.last(), Some(&COMPLETED), "nothing was recorded");
}

#[tokio::test]
async fn a_closed_run_answers_what_it_has_published_unless_the_query_says_otherwise() {
    let runtime = counter(memory(), &ScriptedHost::new()).await;
    sent(&runtime, ("a", "add", "5"), TO_THE_END).await;
    runtime.terminate_run(&run_ref("c"), "enough".to_owned()).await.expect("it is open");
    assert_eq!(answer(&runtime, "total").await, "5");
    let described = runtime.describe_run(&run_ref("c")).await.expect("a run");
    assert_eq!(described.published, [QueryName::new("total").expect("valid")]);
    assert_eq!(answer(&runtime, "seen").await, "1", "its code waits to this day");
    for (reject_if, rejects) in
        [(RejectIf::None, false), (RejectIf::NotOpen, true), (RejectIf::NotCompletedCleanly, true)]
    {
        let query =
            Query { name: QueryName::new("total").expect("valid"), input: Payload::default() };
        let answer = runtime.query_run(&run_ref("c"), query, reject_if).await.expect("no error");
        let rejected = answer.outcome == QueryOutcome::Rejected(ExecutionStatus::Terminated);
        assert_eq!(rejected, rejects, "{reject_if:?}");
    }
    assert!(runtime.describe_waiting(&run_ref("c")).await.is_err());
}
