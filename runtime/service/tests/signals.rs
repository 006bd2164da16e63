//! Signals: durable once acknowledged, once each, in order, whatever the run does.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dacapo_model::execution::{ExecutionStatus, IdConflictPolicy};
use dacapo_model::ids::{EventId, RequestId};
use dacapo_model::limits::Limits;
use dacapo_model::payload::Payload;
use dacapo_model::signal::Signal;
use dacapo_service::config::ServiceConfig;
use dacapo_service::operations::StartRequest;
use dacapo_store::faulty::{Call, Fault, Operation};
use futures::future::join_all;
use support::guests::ScriptedHost;
use support::*;

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

fn requested(text: &str) -> Signal {
    Signal { request_id: Some(RequestId::new(text).expect("valid")), ..signal(text) }
}

/// A start that signals, too.
fn with_signal(workflow: &str, workflow_id: &str, input: &str, signal: Signal) -> StartRequest {
    StartRequest {
        conflict_policy: Some(IdConflictPolicy::UseExisting),
        signal: Some(signal),
        ..request(workflow, workflow_id, input)
    }
}

/// Sends until it is told that the signal is recorded, as a client would.
async fn signal_surely(runtime: &Node, workflow_id: &str, signal: Signal) {
    while let Err(error) = runtime.signal_run(&run_ref(workflow_id), signal.clone()).await {
        assert!(error.code.is_retryable(), "{error:?}");
        tokio::task::yield_now().await;
    }
}

/// The result of the run that ends a chain of runs.
async fn last_result(runtime: &Node, workflow_id: &str) -> String {
    let last = async {
        loop {
            let latest = runtime.run_result(&run_ref(workflow_id), PATIENCE).await.expect("a run");
            if latest.status != ExecutionStatus::ContinuedAsNew {
                return completed_with(&latest);
            }
        }
    };
    tokio::time::timeout(PATIENCE, last).await.expect("the last run closes")
}

#[tokio::test]
async fn signals_arrive_in_the_order_in_which_they_were_acknowledged() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(request("collect", "c", "20")).await.expect("started");
    for text in numbers(20) {
        runtime.signal_run(&run_ref("c"), signal(&text)).await.expect("recorded");
    }
    assert_eq!(completed_with(&result(&runtime, "c").await), numbers(20).join(" "));
}

#[tokio::test]
async fn signals_that_nobody_waits_for_are_kept() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    runtime.start_run(request("relay", "r", "2")).await.expect("started");
    for text in ["a", "b"] {
        runtime.signal_run(&run_ref("r"), signal(text)).await.expect("recorded");
    }
    assert_eq!(last_result(&runtime, "r").await, "a b");
}

#[tokio::test]
async fn a_repeated_request_is_acknowledged_and_not_recorded_while_the_run_is_open_and_after() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let started = runtime.start_run(request("collect", "c", "2")).await.expect("started");
    for text in ["a", "a", "b", "a", "b"] {
        let signaled = runtime.signal_run(&run_ref("c"), requested(text)).await;
        assert_eq!(signaled.expect("acknowledged"), started.run_id);
    }
    assert_eq!(completed_with(&result(&runtime, "c").await), "a b");
    assert_eq!(signals_of(&history(&runtime, "c").await), ["a", "b"]);
    let new = runtime.signal_run(&run_ref("c"), requested("c")).await;
    assert_eq!(new.expect_err("it is closed").code.as_str(), "run_closed");
}

#[tokio::test]
async fn many_signals_share_few_commits() {
    let calls = Calls::default();
    let store = scripted(memory(), &calls, |_| Fault::None);
    let runtime = start(store, &ScriptedHost::new()).await;
    runtime.start_run(request("collect", "c", "500")).await.expect("started");
    calls.clear();
    let texts = numbers(500);
    let run = run_ref("c");
    let signals = texts.iter().map(|text| runtime.signal_run(&run, signal(text)));
    assert!(join_all(signals).await.iter().all(Result::is_ok));
    assert_eq!(result(&runtime, "c").await.status, ExecutionStatus::Completed);
    let commits = calls.count(Operation::Commit);
    assert!(commits < 50, "{commits} commits");
}

#[tokio::test]
async fn a_run_takes_ten_thousand_signals_and_refuses_the_next() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(request("forever", "f", "")).await.expect("started");
    let (run, text) = (run_ref("f"), "x".to_owned());
    let signals = (0..10_000).map(|_| runtime.signal_run(&run, signal(&text)));
    assert!(join_all(signals).await.iter().all(Result::is_ok));
    let refused = runtime.signal_run(&run, signal("one too many")).await.expect_err("refused");
    assert_eq!(refused.code.as_str(), "too_many_signals");
    assert_eq!(refused.details["signals_max"], "10000");
    let started = runtime.start_run(with_signal("forever", "f", "", signal("and this"))).await;
    assert_eq!(started.expect_err("refused").code.as_str(), "too_many_signals");
    let described = runtime.describe_run(&run).await.expect("described");
    assert_eq!(described.history_length, 10_001);
}

#[tokio::test]
async fn a_repeat_is_acknowledged_also_at_the_limit() {
    let limits = Limits { signals_max: 1, ..Limits::default() };
    let config = ServiceConfig { limits, ..ServiceConfig::default() };
    let runtime = start_with(memory(), &ScriptedHost::new(), config).await;
    runtime.start_run(request("forever", "f", "")).await.expect("started");
    runtime.signal_run(&run_ref("f"), requested("a")).await.expect("recorded");
    let refused = runtime.signal_run(&run_ref("f"), requested("b")).await;
    assert_eq!(refused.expect_err("refused").code.as_str(), "too_many_signals");
    runtime.signal_run(&run_ref("f"), requested("a")).await.expect("acknowledged");
}

#[tokio::test]
async fn a_signal_wakes_a_run_that_has_left_memory() {
    let host = ScriptedHost::new();
    let config =
        ServiceConfig { idle_timeout: Duration::from_millis(1), ..ServiceConfig::default() };
    let runtime = start_with(memory(), &host, config).await;
    runtime.start_run(request("collect", "c", "3")).await.expect("started");
    for text in ["a", "b", "c"] {
        let asleep = async {
            while host.live.load(Ordering::SeqCst) > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, asleep).await.expect("it leaves memory");
        runtime.signal_run(&run_ref("c"), signal(text)).await.expect("recorded");
    }
    assert_eq!(completed_with(&result(&runtime, "c").await), "a b c");
}

#[tokio::test]
async fn a_blocked_run_records_signals_and_gets_them_once_it_is_tried_again() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    runtime.start_run(request("faulty", "b", "")).await.expect("started");
    until_status(&runtime, "b", ExecutionStatus::Blocked).await;
    runtime.signal_run(&run_ref("b"), signal("a")).await.expect("recorded");
    *host.faulty.lock() = false;
    runtime.retry_run(&run_ref("b")).await.expect("tried again");
    runtime.signal_run(&run_ref("b"), signal("b")).await.expect("recorded");
    assert_eq!(signals_of(&history(&runtime, "b").await), ["a", "b"]);
    assert_eq!(
        runtime.describe_run(&run_ref("b")).await.expect("described").execution.status,
        ExecutionStatus::Running
    );
}

#[tokio::test]
async fn signals_to_nobody_to_a_closed_run_and_too_large_ones_are_refused() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let code = async |workflow_id, signal| {
        let refused = runtime.signal_run(&run_ref(workflow_id), signal).await;
        refused.expect_err("refused").code.as_str()
    };
    assert_eq!(code("nobody", signal("a")).await, "run_not_found");
    runtime.start_run(request("sequential", "s", "0")).await.expect("started");
    result(&runtime, "s").await;
    assert_eq!(code("s", signal("a")).await, "run_closed");
    assert_eq!(code("s", requested("a")).await, "run_closed");
    let large = Signal { input: Payload::from(vec![b'x'; 3 * 1024 * 1024]), ..signal("a") };
    assert_eq!(code("s", large.clone()).await, "payload_too_large");
    let start = runtime.start_run(with_signal("forever", "f", "", large)).await;
    assert_eq!(start.expect_err("refused").code.as_str(), "payload_too_large");
    assert_eq!(code("f", signal("a")).await, "run_not_found");
}

#[tokio::test]
async fn a_start_with_a_signal_is_one_commit() {
    let calls = Calls::default();
    let store = scripted(memory(), &calls, |_| Fault::None);
    let runtime = start(store, &ScriptedHost::new()).await;
    calls.clear();
    let both = |text| with_signal("collect", "c", "2", signal(text));
    assert!(runtime.start_run(both("a")).await.expect("started").started);
    assert_eq!(calls.count(Operation::Commit), 1);
    assert!(!runtime.start_run(both("b")).await.expect("found").started);
    assert_eq!(calls.count(Operation::Commit), 2);
    assert_eq!(completed_with(&result(&runtime, "c").await), "a b");
}

#[tokio::test]
async fn what_a_run_began_with_is_replayed_as_it_was() {
    let host = ScriptedHost::new();
    let store = memory();
    let runtime = start(store.clone(), &host).await;
    runtime.start_run(with_signal("gated", "g", "1", signal("a"))).await.expect("started");
    assert_eq!(
        event_types(&runtime, "g").await,
        ["WorkflowExecutionStarted", "WorkflowExecutionSignaled", "ActivityTaskScheduled"]
    );
    // The next node plays it again from the top.
    let next = start(store, &host).await;
    host.gate.add_permits(2);
    assert_eq!(result(&next, "g").await.status, ExecutionStatus::Completed);
}

#[tokio::test]
async fn a_hundred_concurrent_starts_with_a_signal_make_one_run_with_a_hundred_signals() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let starts = numbers(100).into_iter().map(|text| {
        let runtime = runtime.clone();
        let request = with_signal("collect", "c", "100", signal(&text));
        tokio::spawn(async move { runtime.start_run(request).await })
    });
    let mut started = 0;
    for start in starts.collect::<Vec<_>>() {
        started += u32::from(start.await.expect("no panic").expect("accepted").started);
    }
    assert_eq!(started, 1);
    let result = completed_with(&result(&runtime, "c").await);
    let mut taken: Vec<_> = result.split(' ').map(str::to_owned).collect();
    taken.sort_by_key(|number| number.parse::<u32>().expect("a number"));
    assert_eq!(taken, numbers(100));
}

#[tokio::test]
async fn a_repeated_start_with_a_signal_signals_once() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let repeated = |request_id: &str| StartRequest {
        request_id: Some(RequestId::new(request_id).expect("valid")),
        ..with_signal("forever", "f", "", signal(request_id))
    };
    let first = runtime.start_run(repeated("a")).await.expect("started");
    for request_id in ["a", "b", "b", "a"] {
        let found = runtime.start_run(repeated(request_id)).await.expect("found");
        assert_eq!((found.run_id, found.started), (first.run_id, false));
    }
    assert_eq!(signals_of(&history(&runtime, "f").await), ["a", "b"]);
}

#[tokio::test]
async fn a_start_with_a_signal_that_is_refused_signals_nobody_and_a_replacement_begins_with_it() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let first = runtime.start_run(request("forever", "f", "")).await.expect("started");
    let with = |policy, text| StartRequest {
        conflict_policy: Some(policy),
        ..with_signal("forever", "f", "", signal(text))
    };
    let refused = runtime.start_run(with(IdConflictPolicy::Fail, "a")).await;
    assert_eq!(refused.expect_err("refused").code.as_str(), "workflow_already_started");
    let second = runtime.start_run(with(IdConflictPolicy::TerminateExisting, "b")).await;
    assert_ne!(second.expect("started").run_id, first.run_id);
    assert_eq!(signals_of(&history(&runtime, "f").await), ["b"]);
    let mut old = run_ref("f");
    old.run_id = Some(first.run_id);
    let old = runtime.run_history(&old, EventId::FIRST, 100).await.expect("there");
    assert_eq!(signals_of(&old.events), Vec::<String>::new());
}

#[tokio::test]
async fn a_run_that_continues_as_new_under_constant_fire_loses_and_doubles_no_signal() {
    for senders in [1, 8] {
        let runtime = start(memory(), &ScriptedHost::new()).await;
        runtime.start_run(request("relay", "r", "200")).await.expect("started");
        let texts = numbers(200);
        let (runtime, each) = (&runtime, 200 / senders);
        let fire = texts.chunks(each).map(async |texts| {
            for text in texts {
                signal_surely(runtime, "r", signal(text)).await;
            }
        });
        join_all(fire).await;
        let result = last_result(runtime, "r").await;
        let mut taken: Vec<_> = result.split(' ').map(str::to_owned).collect();
        if senders > 1 {
            taken.sort_by_key(|number| number.parse::<u32>().expect("a number"));
        }
        assert_eq!(taken, texts, "{senders} senders");
    }
}

#[tokio::test]
async fn a_repeat_is_recognised_by_the_runs_that_follow_after_a_restart_and_after_the_end() {
    let (store, host) = (memory(), ScriptedHost::new());
    let runtime = start(store.clone(), &host).await;
    runtime.start_run(request("relay", "r", "3")).await.expect("started");
    for (text, before) in [("a", ""), ("b", "a")] {
        for text in [before, text, text].into_iter().filter(|text| !text.is_empty()) {
            runtime.signal_run(&run_ref("r"), requested(text)).await.expect("recorded");
        }
    }
    let runtime = start(store, &host).await;
    for text in ["b", "a", "c", "c"] {
        runtime.signal_run(&run_ref("r"), requested(text)).await.expect("recorded");
    }
    assert_eq!(last_result(&runtime, "r").await, "a b c");
    for text in ["a", "b", "c"] {
        runtime.signal_run(&run_ref("r"), requested(text)).await.expect("it was recorded");
    }
    let refused = runtime.signal_run(&run_ref("r"), requested("d")).await;
    assert_eq!(refused.expect_err("it is closed").code.as_str(), "run_closed");
}

#[tokio::test]
async fn a_signal_for_a_certain_run_does_not_reach_the_one_that_it_continues_as() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let first = runtime.start_run(request("relay", "r", "2")).await.expect("started");
    let mut certain = run_ref("r");
    certain.run_id = Some(first.run_id);
    runtime.signal_run(&certain, signal("a")).await.expect("recorded");
    let closed = runtime.one_result(&certain, PATIENCE).await.expect("readable");
    assert_eq!(closed.status, ExecutionStatus::ContinuedAsNew);
    let refused = runtime.signal_run(&certain, signal("b")).await;
    assert_eq!(refused.expect_err("it is closed").code.as_str(), "run_closed");
    runtime.signal_run(&run_ref("r"), signal("c")).await.expect("recorded");
    assert_eq!(last_result(&runtime, "r").await, "a c");
}

#[tokio::test]
async fn a_commit_that_fails_or_seems_to_neither_loses_nor_doubles_a_signal() {
    for number in 1..=14 {
        for fault in commit_faults() {
            let fault_once = fault.clone();
            let store = scripted(memory(), &Calls::default(), move |call: Call| {
                let hit = call.operation == Operation::Commit && call.number == number;
                if hit { fault_once.clone() } else { Fault::None }
            });
            let runtime = start(store, &ScriptedHost::new()).await;
            let mut request = with_signal("relay", "r", "4", signal("0"));
            request.request_id = Some(RequestId::new("the-start").expect("valid"));
            while let Err(error) = runtime.start_run(request.clone()).await {
                assert!(error.code.is_retryable(), "{error:?}");
            }
            for text in ["1", "2", "3"] {
                // Without a request id: it is the server that must not be confused.
                let signaled = runtime.signal_run(&run_ref("r"), signal(text)).await;
                signaled.unwrap_or_else(|error| panic!("commit {number}: {fault:?}: {error:?}"));
            }
            let taken = last_result(&runtime, "r").await;
            assert_eq!(taken, "0 1 2 3", "commit {number}: {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_signal_that_came_too_late_is_refused_also_if_the_closing_commit_seemed_to_fail() {
    let store = scripted(memory(), &Calls::default(), |call: Call| {
        let hit = call.operation == Operation::Commit && call.number == 2;
        if hit { Fault::DoneButUnavailable } else { Fault::None }
    });
    let runtime = start(store, &ScriptedHost::new()).await;
    runtime.start_run(request("collect", "c", "1")).await.expect("started");
    let run = run_ref("c");
    // Both are in the mailbox before the run looks: they share a transition.
    let (first, second) = futures::join!(
        runtime.signal_run(&run, signal("first")),
        runtime.signal_run(&run, signal("second"))
    );
    first.expect("recorded");
    assert_eq!(second.expect_err("too late").code.as_str(), "run_closed");
    assert_eq!(signals_of(&history(&runtime, "c").await), ["first"]);
}

#[tokio::test]
async fn every_acknowledged_signal_survives_the_death_of_its_node() {
    for number in 2..=12 {
        let (host, inner) = (ScriptedHost::new(), memory());
        // From the n-th commit on, nothing reaches the store any more.
        let dead = Arc::new(AtomicBool::new(false));
        let script_dead = dead.clone();
        let store = scripted(inner.clone(), &Calls::default(), move |call: Call| {
            if call.operation == Operation::Commit && call.number >= number {
                script_dead.store(true, Ordering::SeqCst);
            }
            if script_dead.load(Ordering::SeqCst) { Fault::Unavailable } else { Fault::None }
        });
        let first = start(store, &host).await;
        first.start_run(request("relay", "r", "6")).await.expect("started");
        let mut acknowledged = Vec::new();
        for text in numbers(6) {
            let run = run_ref("r");
            let died = async {
                while !dead.load(Ordering::SeqCst) {
                    tokio::task::yield_now().await;
                }
            };
            let signaled = tokio::select! {
                biased;
                signaled = first.signal_run(&run, requested(&text)) => signaled.is_ok(),
                () = died => false,
            };
            if !signaled {
                break;
            }
            acknowledged.push(text);
        }
        let second = start(inner, &host).await;
        // The client repeats what it has no answer for, and goes on.
        for text in &numbers(6)[acknowledged.len()..] {
            signal_surely(&second, "r", requested(text)).await;
        }
        assert_eq!(last_result(&second, "r").await, numbers(6).join(" "), "commit {number}");
    }
}

#[tokio::test]
async fn a_request_id_that_was_used_for_another_signal_is_refused() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(request("forever", "s", "")).await.expect("started");
    let first = requested("a");
    runtime.signal_run(&run_ref("s"), first.clone()).await.expect("taken");
    let changed = [
        Signal { input: Payload::new("another"), ..first.clone() },
        Signal { name: "another".parse().expect("valid"), ..first.clone() },
    ];
    for is_open in [true, false] {
        for signal in &changed {
            let refused = runtime.signal_run(&run_ref("s"), signal.clone()).await;
            assert_eq!(refused.expect_err("another").code.as_str(), "request_id_reused");
        }
        runtime.signal_run(&run_ref("s"), first.clone()).await.expect("known");
        if is_open {
            let mut found = with_signal("forever", "s", "", changed[0].clone());
            found.request_id = None;
            let refused = runtime.start_run(found).await.expect_err("another");
            assert_eq!(refused.code.as_str(), "request_id_reused");
            runtime.terminate_run(&run_ref("s"), String::new()).await.expect("terminated");
        }
    }
    assert_eq!(signals_of(&history(&runtime, "s").await), ["a"]);
}
