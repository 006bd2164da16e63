//! How a run is to run: its times, its retries, its start, what is said about it, and
//! how long it may become.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dacapo_model::attributes::{RunAttributes, SearchAttribute};
use dacapo_model::code::ErrorCode;
use dacapo_model::event::{EventAttributes, HistoryEvent, RunTimeoutType};
use dacapo_model::execution::{ExecutionStatus, IdConflictPolicy};
use dacapo_model::ids::{EventId, RunId};
use dacapo_model::limits::{Limits, MEMO_BYTES_MAX, SEARCH_ATTRIBUTES_MAX, TIMER_MAX};
use dacapo_model::retry::{RetryPolicy, RetryState};
use dacapo_model::search_attribute::{SearchAttributeName, SearchAttributeType};
use dacapo_service::config::ServiceConfig;
use dacapo_service::operations::{RunRef, RunResult, StartOptions, StartRequest};
use dacapo_store::Store;
use dacapo_store::faulty::{Call, Fault, Operation};
use support::guests::ScriptedHost;
use support::*;

const MILLI: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);

async fn register(runtime: &Node, name: &str, attribute_type: SearchAttributeType) {
    let name = SearchAttributeName::new(name).expect("a valid name");
    runtime.register_search_attribute(name, attribute_type).await.expect("registered");
}

fn optioned(workflow: &str, input: &str, options: StartOptions) -> StartRequest {
    StartRequest { options, ..request(workflow, "w", input) }
}

fn policy(maximum_attempts: u32) -> RetryPolicy {
    RetryPolicy {
        initial_interval: MILLI,
        maximum_interval: 4 * MILLI,
        maximum_attempts,
        ..RetryPolicy::default()
    }
}

fn retried(input: &str, retry: RetryPolicy) -> StartRequest {
    optioned("retried", input, StartOptions { retry: Some(retry), ..StartOptions::default() })
}

fn exactly(run_id: RunId) -> RunRef {
    RunRef { run_id: Some(run_id), ..run_ref("w") }
}

async fn history_of(runtime: &Node, run_id: RunId) -> Vec<HistoryEvent> {
    let page = runtime.run_history(&exactly(run_id), EventId::FIRST, 1_000).await;
    page.expect("readable").events
}

fn attributes_of(result: &RunResult) -> &EventAttributes {
    &result.closing.as_ref().expect("it has closed").attributes
}

/// Why the run of a chain that failed was the last.
fn last_retry_state(result: &RunResult) -> Option<RetryState> {
    match attributes_of(result) {
        EventAttributes::WorkflowExecutionFailed { retry_state, new_run_id: None, .. } => {
            *retry_state
        }
        other => panic!("it was to fail for good: {other:?}"),
    }
}

fn timed_out(result: &RunResult) -> RunTimeoutType {
    assert_eq!(result.status, ExecutionStatus::TimedOut);
    match attributes_of(result) {
        EventAttributes::WorkflowExecutionTimedOut(timed_out) => timed_out.timeout_type,
        other => panic!("it was to time out: {other:?}"),
    }
}

/// The runs of a chain from this one on, each with its events.
async fn chain(runtime: &Node, first: RunId) -> Vec<(RunId, Vec<HistoryEvent>)> {
    let mut chain = Vec::new();
    let mut next = Some(first);
    while let Some(run_id) = next {
        chain.push((run_id, history_of(runtime, run_id).await));
        let result = runtime.one_result(&exactly(run_id), Duration::ZERO).await.expect("a run");
        next = result.closing.and_then(|closing| closing.next_run());
    }
    chain
}

/// A store where one commit fails, or is done and seems to fail.
fn failing_once(number: u64, fault: Fault) -> Arc<dyn Store> {
    scripted(memory(), &Calls::default(), move |call: Call| {
        let hit = call.operation == Operation::Commit && call.number == number;
        if hit { fault.clone() } else { Fault::None }
    })
}

/// Starts until it is told that the run is there. The id of the first run.
async fn start_surely(runtime: &Node, request: &StartRequest) -> RunId {
    let request = StartRequest {
        request_id: Some("the-start".to_owned().try_into().expect("valid")),
        conflict_policy: Some(IdConflictPolicy::UseExisting),
        ..request.clone()
    };
    loop {
        match runtime.start_run(request.clone()).await {
            Ok(started) => return started.run_id,
            Err(error) => assert!(error.code.is_retryable(), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn a_run_ends_when_its_time_is_over_and_so_do_its_activities() {
    let options = StartOptions { run_timeout: Some(20 * MILLI), ..StartOptions::default() };
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    runtime.start_run(optioned("gated", "1", options)).await.expect("starts");
    assert_eq!(timed_out(&result(&runtime, "w").await), RunTimeoutType::Run);
    let types = event_types(&runtime, "w").await;
    let expected =
        ["WorkflowExecutionStarted", "ActivityTaskScheduled", "WorkflowExecutionTimedOut"];
    assert_eq!(types, expected);
    host.gate.add_permits(1);
    let error = runtime.signal_run(&run_ref("w"), signal("late")).await.expect_err("it is over");
    assert_eq!(error.code, ErrorCode::RunClosed);
    assert_eq!(event_types(&runtime, "w").await, expected);
}

#[tokio::test]
async fn a_run_that_times_out_does_so_once_whatever_becomes_of_the_commit() {
    for fault in commit_faults() {
        let options = StartOptions { run_timeout: Some(20 * MILLI), ..StartOptions::default() };
        let runtime = start(failing_once(2, fault), &ScriptedHost::new()).await;
        runtime.start_run(optioned("forever", "", options)).await.expect("starts");
        assert_eq!(timed_out(&result(&runtime, "w").await), RunTimeoutType::Run);
        assert_eq!(event_types(&runtime, "w").await.len(), 2);
    }
}

#[tokio::test]
async fn the_time_of_a_chain_goes_on_while_its_runs_continue_as_new() {
    let execution_timeout = Some(300 * MILLI);
    let run_timeout = Some(HOUR);
    let options = StartOptions { execution_timeout, run_timeout, ..StartOptions::default() };
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let first = runtime.start_run(optioned("teller", "", options)).await.expect("starts").run_id;
    for round in ["a", "b"] {
        let again = signal(&format!("again {round}"));
        runtime.signal_run(&run_ref("w"), again).await.expect("it is open");
    }
    let last = runtime.run_result(&exactly(first), PATIENCE).await.expect("a run");
    assert_eq!(timed_out(&last), RunTimeoutType::Execution);
    let chain = chain(&runtime, first).await;
    assert_eq!(chain.len(), 3);
    let begun = chain[0].1[0].time;
    let ended = chain[2].1.last().expect("it has closed").time;
    let taken = ended.since(begun);
    assert!((300 * MILLI..HOUR).contains(&taken), "{taken:?} from the first start on");
}

#[tokio::test]
async fn the_time_of_a_chain_ends_its_retries() {
    let options = StartOptions {
        execution_timeout: Some(50 * MILLI),
        retry: Some(RetryPolicy { maximum_attempts: 0, ..policy(0) }),
        ..StartOptions::default()
    };
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(optioned("retried", "never", options)).await.expect("starts");
    let last = result(&runtime, "w").await;
    match attributes_of(&last) {
        EventAttributes::WorkflowExecutionFailed { retry_state, new_run_id, .. } => {
            assert_eq!((*retry_state, *new_run_id), (Some(RetryState::Timeout), None));
        }
        // While the next attempt waited.
        _ => assert_eq!(timed_out(&last), RunTimeoutType::Execution),
    }
}

#[tokio::test]
async fn a_run_that_fails_is_tried_again_until_it_succeeds() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let first = runtime.start_run(retried("3", policy(0))).await.expect("starts").run_id;
    assert_eq!(completed_with(&result(&runtime, "w").await), "3 after Some(\"attempt 2\")");
    let chain = chain(&runtime, first).await;
    let mut before = None;
    for (attempt, (run_id, history)) in (1..).zip(&chain) {
        let EventAttributes::WorkflowExecutionStarted(started) = &history[0].attributes else {
            panic!("not a start: {history:?}");
        };
        assert_eq!(started.chain.attempt, attempt);
        assert_eq!(started.continued_from, before);
        assert_eq!(started.chain.first_run_id, (attempt > 1).then_some(first));
        let until = started.options.delayed_until;
        assert_eq!(until.is_some(), attempt > 1, "the first does not wait");
        assert!(until.is_none_or(|until| history[1].time >= until), "none begins early");
        before = Some(*run_id);
    }
    assert_eq!(chain.len(), 3);
    let description = runtime.describe_run(&run_ref("w")).await.expect("a run");
    assert_eq!((description.chain.attempt, description.chain.first_run_id), (3, Some(first)));
}

#[tokio::test]
async fn attempts_end_with_the_policy_with_a_final_failure_or_with_a_listed_type() {
    let listed = RetryPolicy { non_retryable_types: vec!["Broke".to_owned()], ..policy(0) };
    for (input, policy, state, runs) in [
        ("never", policy(3), RetryState::MaximumAttemptsReached, 3),
        ("never Final", policy(0), RetryState::NonRetryableFailure, 1),
        ("never Broke", listed, RetryState::NonRetryableFailure, 1),
    ] {
        let runtime = start(memory(), &ScriptedHost::new()).await;
        let first = runtime.start_run(retried(input, policy)).await.expect("starts").run_id;
        assert_eq!(last_retry_state(&result(&runtime, "w").await), Some(state), "{input}");
        assert_eq!(chain(&runtime, first).await.len(), runs, "{input}");
    }
}

#[tokio::test]
async fn a_commit_that_fails_or_seems_to_neither_loses_nor_doubles_an_attempt() {
    // The start with its failure and the start of the next, and so on.
    for number in 1..=3 {
        for fault in commit_faults() {
            let at = format!("commit {number}: {fault:?}");
            let runtime = start(failing_once(number, fault), &ScriptedHost::new()).await;
            let first = start_surely(&runtime, &retried("3", policy(0))).await;
            assert_eq!(
                completed_with(&result(&runtime, "w").await),
                "3 after Some(\"attempt 2\")",
                "{at}"
            );
            let chain = chain(&runtime, first).await;
            let last = runtime.run_result(&run_ref("w"), Duration::ZERO).await.expect("a run");
            assert_eq!(chain.last().map(|(run_id, _)| *run_id), Some(last.run_id), "{at}");
            assert_eq!(chain.len(), 3, "{at}");
        }
    }
}

#[tokio::test]
async fn a_node_that_dies_after_any_commit_leaves_the_attempts_to_the_next() {
    for number in 1..=3 {
        let (host, inner) = (ScriptedHost::new(), memory());
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
        let first = start(store, &host).await;
        let starting = tokio::spawn(async move {
            let _answer_is_lost = first.start_run(retried("3", policy(0))).await;
            std::future::pending::<()>().await;
            drop(first);
        });
        let died = async {
            while !dead.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, died).await.expect("the commit comes");
        let second = start(inner, &host).await;
        let result = result(&second, "w").await;
        assert_eq!(completed_with(&result), "3 after Some(\"attempt 2\")", "commit {number}");
        starting.abort();
    }
}

#[tokio::test]
async fn who_waits_follows_the_chain_unless_it_wants_exactly_one_run() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let request = retried("2", policy(0));
    let (started, waited) = runtime.start_run_and_wait(request, PATIENCE).await.expect("starts");
    let waited = waited.expect("it has closed");
    assert_eq!(completed_with(&waited), "2 after Some(\"attempt 1\")");
    assert_ne!(waited.run_id, started.run_id);
    let first = exactly(started.run_id);
    let followed = runtime.run_result(&first, PATIENCE).await.expect("a run");
    assert_eq!(followed, waited);
    let exact = runtime.one_result(&first, PATIENCE).await.expect("a run");
    assert_eq!((exact.run_id, exact.status), (started.run_id, ExecutionStatus::Failed));
}

#[tokio::test]
async fn a_delayed_run_begins_at_its_time_and_not_before() {
    let options = StartOptions { start_delay: Some(30 * MILLI), ..StartOptions::default() };
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    runtime.start_run(optioned("sequential", "1", options)).await.expect("starts");
    let description = runtime.describe_run(&run_ref("w")).await.expect("a run");
    if let Some(until) = description.chain.delayed_until {
        assert!(until.since(description.execution.started_at) >= 30 * MILLI);
    }
    result(&runtime, "w").await;
    let history = history(&runtime, "w").await;
    assert_eq!(history[1].attributes.type_name(), "WorkflowExecutionDelayEnded");
    assert!(history[1].time.since(history[0].time) >= 30 * MILLI);
}

#[tokio::test]
async fn a_signal_or_a_request_to_cancel_ends_the_delay_and_a_start_with_a_signal_has_none() {
    let delayed = || StartOptions { start_delay: Some(HOUR), ..StartOptions::default() };
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(optioned("collect", "1", delayed())).await.expect("starts");
    assert_eq!(event_types(&runtime, "w").await, ["WorkflowExecutionStarted"]);
    runtime.signal_run(&run_ref("w"), signal("go")).await.expect("it is open");
    assert_eq!(completed_with(&result(&runtime, "w").await), "go");

    runtime.start_run(optioned("forever", "", delayed())).await.expect("starts");
    runtime.request_cancel(&run_ref("w"), String::new(), None).await.expect("it is open");
    assert_eq!(result(&runtime, "w").await.status, ExecutionStatus::Canceled);

    let request =
        StartRequest { signal: Some(signal("at once")), ..optioned("collect", "1", delayed()) };
    runtime.start_run(request).await.expect("starts");
    assert_eq!(completed_with(&result(&runtime, "w").await), "at once");
}

#[tokio::test]
async fn a_delayed_run_survives_its_node_and_may_be_terminated() {
    let (host, store) = (ScriptedHost::new(), memory());
    let first = start(store.clone(), &host).await;
    let options = StartOptions { start_delay: Some(50 * MILLI), ..StartOptions::default() };
    first.start_run(optioned("sequential", "1", options)).await.expect("starts");
    let long = StartOptions { start_delay: Some(HOUR), ..StartOptions::default() };
    let request = StartRequest { options: long, ..request("sequential", "t", "1") };
    first.start_run(request).await.expect("starts");
    let second = start(store, &host).await;
    assert_eq!(result(&second, "w").await.status, ExecutionStatus::Completed);
    second.terminate_run(&run_ref("t"), "not needed".to_owned()).await.expect("it is open");
    assert_eq!(result(&second, "t").await.status, ExecutionStatus::Terminated);
    assert_eq!(host.attempts_of("step", "1"), 1);
}

#[tokio::test]
async fn what_a_start_may_not_ask_for_is_refused_with_the_limit() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let attributes = |memo: &[(&str, usize)], count: usize| RunAttributes {
        memo: memo
            .iter()
            .map(|(name, size)| (name.to_string(), "x".repeat(*size).into()))
            .collect(),
        search_attributes: (0..count)
            .map(|number| (format!("a{number}"), SearchAttribute::Bool(true)))
            .collect(),
        ..RunAttributes::default()
    };
    let said = |attributes| StartOptions { attributes, ..StartOptions::default() };
    let too_long = Some(TIMER_MAX + Duration::from_secs(1));
    let backwards = RetryPolicy { backoff_coefficient: 0.5, ..policy(0) };
    for (options, words) in [
        (StartOptions { run_timeout: too_long, ..StartOptions::default() }, "run timeout"),
        (StartOptions { execution_timeout: too_long, ..StartOptions::default() }, "execution"),
        (StartOptions { start_delay: too_long, ..StartOptions::default() }, "start delay"),
        (StartOptions { retry: Some(backwards), ..StartOptions::default() }, "coefficient"),
        (said(attributes(&[("m", MEMO_BYTES_MAX)], 0)), "the memo has"),
        (said(attributes(&[("", 1)], 0)), "name"),
        (said(attributes(&[], SEARCH_ATTRIBUTES_MAX + 1)), "search attributes; at most 100"),
    ] {
        let refused = runtime.start_run(optioned("forever", "", options)).await;
        let error = refused.expect_err("it breaks a rule");
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert!(error.message.contains(words), "{words}: {}", error.message);
    }
    for number in 0..SEARCH_ATTRIBUTES_MAX {
        register(&runtime, &format!("a{number}"), SearchAttributeType::Bool).await;
    }
    let most = said(attributes(&[("m", MEMO_BYTES_MAX - 3)], SEARCH_ATTRIBUTES_MAX));
    runtime.start_run(optioned("forever", "", most)).await.expect("it is at its limits");
}

#[tokio::test]
async fn what_is_said_about_a_run_changes_with_the_commit_and_goes_over_to_the_next() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    register(&runtime, "n", SearchAttributeType::Int).await;
    let mut options = StartOptions::default();
    options.attributes.memo.insert("who".to_owned(), "a".into());
    options.attributes.search_attributes.insert("n".to_owned(), SearchAttribute::Int(1));
    let first = runtime.start_run(optioned("teller", "", options)).await.expect("starts").run_id;
    for words in ["memo who b", "int n 2", "memo more c", "again next", "int n 3"] {
        runtime.signal_run(&run_ref("w"), signal(words)).await.expect("it is open");
    }
    let said = |execution: &dacapo_model::execution::Execution| {
        let memo = &execution.attributes.memo;
        let memo: Vec<_> = memo.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (memo.join(" "), execution.attributes.search_attributes["n"].clone())
    };
    let old = runtime.describe_run(&exactly(first)).await.expect("a run").execution;
    let expected = ("more=\"c\" who=\"b\"".to_owned(), SearchAttribute::Int(2));
    assert_eq!(said(&old), expected);
    let new = runtime.describe_run(&run_ref("w")).await.expect("a run").execution;
    let expected = ("more=\"c\" next=\"again\" who=\"b\"".to_owned(), SearchAttribute::Int(3));
    assert_eq!(said(&new), expected);
}

#[tokio::test]
async fn a_workflow_that_says_too_much_about_its_run_is_blocked() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(request("teller", "w", "")).await.expect("starts");
    runtime.signal_run(&run_ref("w"), signal("much")).await.expect("it is open");
    let execution = runtime.describe_run(&run_ref("w")).await.expect("a run").execution;
    let blocked = execution.blocked.expect("it is blocked");
    assert_eq!(blocked.code, ErrorCode::RunLimitExceeded.as_str());
    assert!(blocked.message.contains("the memo has"), "{}", blocked.message);
    assert!(execution.attributes.is_empty());
}

#[tokio::test]
async fn runs_that_continue_as_new_are_one_chain_each_with_its_own_count() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let options = StartOptions { retry: Some(policy(0)), ..StartOptions::default() };
    let first = runtime.start_run(optioned("again", "40", options)).await.expect("starts").run_id;
    let last = runtime.run_result(&exactly(first), PATIENCE).await.expect("a run");
    assert_eq!(completed_with(&last), "last");
    let chain = chain(&runtime, first).await;
    assert_eq!(chain.len(), 41);
    let ids: BTreeSet<_> = chain.iter().map(|(run_id, _)| run_id.0).collect();
    assert_eq!(ids.len(), 41, "each is a run of its own");
    for (_, history) in &chain[1..] {
        let EventAttributes::WorkflowExecutionStarted(started) = &history[0].attributes else {
            panic!("not a start: {history:?}");
        };
        assert_eq!((started.chain.first_run_id, started.chain.attempt), (Some(first), 1));
        assert_eq!(started.options.retry, Some(policy(0)), "the policy goes with it");
    }
}

/// What a run is blocked for at a limit of its history, and that it may be ended.
async fn blocked_at(limits: Limits) -> String {
    let config = ServiceConfig { limits, ..ServiceConfig::default() };
    let runtime = start_with(memory(), &ScriptedHost::new(), config).await;
    runtime.start_run(request("sequential", "w", "50")).await.expect("starts");
    until_status(&runtime, "w", ExecutionStatus::Blocked).await;
    let execution = runtime.describe_run(&run_ref("w")).await.expect("a run").execution;
    runtime.signal_run(&run_ref("w"), signal("still there")).await.expect("it is open");
    runtime.terminate_run(&run_ref("w"), String::new()).await.expect("it is open");
    execution.blocked.expect("it says why").message
}

#[tokio::test]
async fn a_history_at_its_limit_blocks_its_run_and_never_ends_it() {
    let events = blocked_at(Limits { history_events_max: 10, ..Limits::default() }).await;
    assert!(
        events.contains("events; at most 10 are") && events.contains("history_events_max"),
        "{events}"
    );
    let bytes = blocked_at(Limits { history_bytes_max: 2_000, ..Limits::default() }).await;
    assert!(bytes.contains("at most 2000") && bytes.contains("history_bytes_max"), "{bytes}");
}
