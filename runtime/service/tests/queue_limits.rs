//! Limits of task queues, and drained ones: what polls get of them.

mod support;

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::limits::QUEUES_WITH_SETTINGS_MAX;
use dacapo_model::queue_limits::{Concurrency, Rate};
use dacapo_service::operations::{HandedTask, PollRequest, SettingsChange};
use dacapo_store::Store;
use dacapo_store::faulty::{Fault, Operation};
use support::guests::{ScriptedHost, queue};
use support::worker::*;
use support::*;

fn at_a_time(tasks: u64) -> SettingsChange {
    let concurrency = Some(Some(Concurrency::new(tasks).expect("valid")));
    SettingsChange { concurrency, ..SettingsChange::default() }
}

fn drained(is_drained: bool) -> SettingsChange {
    SettingsChange { is_drained: Some(is_drained), ..SettingsChange::default() }
}

async fn set(runtime: &Node, change: SettingsChange) {
    runtime.change_task_queue(&queue(), &change).await.expect("changed");
}

/// So many runs, each with a task.
async fn start_runs(runtime: &Node, runs: u32) {
    for number in 0..runs {
        let workflow_id = format!("w-{number}");
        runtime.start_run(request("remote", &workflow_id, "1")).await.expect("started");
    }
}

/// What one poll gets that has room for more.
async fn polled(runtime: &Node) -> Vec<HandedTask> {
    let request = PollRequest { max_tasks: Some(100), ..poll_request() };
    runtime.poll_tasks(request).await.expect("polled")
}

/// A poll that waits, once it has looked into the store.
async fn waiting_poll(
    runtime: &Node,
    calls: &Calls,
    looks: Operation,
) -> tokio::task::JoinHandle<HandedTask> {
    calls.clear();
    let polled = tokio::spawn({
        let runtime = runtime.clone();
        async move { task(&runtime).await }
    });
    let looked = async {
        while calls.count(looks) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looked).await.expect("it looks");
    polled
}

#[tokio::test]
async fn no_more_than_a_limit_is_handed_out_and_the_next_when_one_has_ended() {
    let calls = Calls::default();
    let runtime = start(scripted(memory(), &calls, |_| Fault::None), &ScriptedHost::new()).await;
    set(&runtime, at_a_time(2)).await;
    start_runs(&runtime, 4).await;
    let mut held = polled(&runtime).await;
    assert_eq!(held.len(), 2);
    no_task(&runtime).await;
    for _ in 0..2 {
        let next = waiting_poll(&runtime, &calls, Operation::ClaimLimitedTasks).await;
        let ended = held.remove(0);
        report(&runtime, ended.token, done("true")).await.expect("it is held");
        held.push(tokio::time::timeout(PATIENCE, next).await.expect("it comes").expect("no panic"));
        no_task(&runtime).await;
    }
    assert_eq!(calls.count(Operation::ClaimTasks), 0, "each claim goes by the limits");
}

#[tokio::test]
async fn a_task_that_a_poll_waits_for_is_not_handed_out_beyond_a_limit() {
    let calls = Calls::default();
    let runtime = start(scripted(memory(), &calls, |_| Fault::None), &ScriptedHost::new()).await;
    // The queue is known to be empty: what comes now would go to the poll in its commit.
    let first = waiting_poll(&runtime, &calls, Operation::ClaimTasks).await;
    set(&runtime, at_a_time(1)).await;
    start_runs(&runtime, 2).await;
    let held = tokio::time::timeout(PATIENCE, first).await.expect("it comes").expect("no panic");
    no_task(&runtime).await;
    report(&runtime, held.token, done("true")).await.expect("it is held");
    task(&runtime).await;
    no_task(&runtime).await;
}

#[tokio::test]
async fn a_limit_that_is_raised_or_taken_away_hands_out_what_waits() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    set(&runtime, at_a_time(1)).await;
    start_runs(&runtime, 4).await;
    assert_eq!(polled(&runtime).await.len(), 1);
    let waits = tokio::spawn({
        let runtime = runtime.clone();
        async move { task(&runtime).await }
    });
    set(&runtime, at_a_time(2)).await;
    tokio::time::timeout(PATIENCE, waits).await.expect("it comes").expect("no panic");
    no_task(&runtime).await;
    set(&runtime, SettingsChange { concurrency: Some(None), ..SettingsChange::default() }).await;
    assert_eq!(polled(&runtime).await.len(), 2);
}

#[tokio::test]
async fn polls_get_what_a_rate_allows_without_asking_again() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let rate = Some(Some(Rate::new(20.0, Some(1)).expect("valid")));
    set(&runtime, SettingsChange { rate, ..SettingsChange::default() }).await;
    start_runs(&runtime, 4).await;
    let started: Vec<_> = {
        let mut started = Vec::new();
        for _ in 0..4 {
            started.push(task(&runtime).await.started_at);
        }
        started
    };
    for pair in started.windows(2) {
        assert!(pair[1].since(pair[0]) >= Duration::from_millis(49), "{started:?}");
    }
}

#[tokio::test]
async fn a_drained_queue_hands_out_nothing_until_it_is_resumed() {
    let calls = Calls::default();
    let runtime = start(scripted(memory(), &calls, |_| Fault::None), &ScriptedHost::new()).await;
    start_runs(&runtime, 1).await;
    let held = task(&runtime).await;
    let waits = waiting_poll(&runtime, &calls, Operation::ClaimTasks).await;
    set(&runtime, drained(true)).await;
    calls.clear();
    runtime.start_run(request("remote", "later", "1")).await.expect("started");
    no_task(&runtime).await;
    let claims = calls.count(Operation::ClaimTasks) + calls.count(Operation::ClaimLimitedTasks);
    assert_eq!(claims, 0, "nobody has to look");
    assert!(!waits.is_finished());
    // What was in hand goes on.
    heartbeat(&runtime, held.token, "1").await.expect("it is held");
    report(&runtime, held.token, done("true")).await.expect("it is held");
    let described = runtime.describe_task_queue(queue()).await.expect("described");
    assert!(described.is_drained && described.depth.leased == 0, "{described:?}");
    set(&runtime, drained(false)).await;
    tokio::time::timeout(PATIENCE, waits).await.expect("it comes").expect("no panic");
}

#[tokio::test]
async fn the_next_node_goes_by_what_was_set_and_by_what_is_in_hand() {
    let (store, host) = (memory(), ScriptedHost::new());
    let first = start(store.clone(), &host).await;
    start_runs(&first, 3).await;
    set(&first, at_a_time(2)).await;
    let held = polled(&first).await;
    assert_eq!(held.len(), 2);
    first.halt().await;
    let second = start(store.clone(), &host).await;
    no_task(&second).await;
    report(&second, held[0].token, done("true")).await.expect("it is held");
    task(&second).await;
    set(&second, drained(true)).await;
    second.halt().await;
    let third = start(store, &host).await;
    let described = third.describe_task_queue(queue()).await.expect("described");
    assert!(described.is_drained && described.limits.concurrency.is_some(), "{described:?}");
}

/// Whether or not the store has done it.
#[tokio::test]
async fn after_a_change_without_a_verdict_a_queue_goes_by_what_the_store_has() {
    for (fault, handed) in [(Fault::Unavailable, 3), (Fault::DoneButUnavailable, 1)] {
        let store = scripted(memory(), &Calls::default(), {
            let fault = fault.clone();
            move |call| match call.operation {
                Operation::ChangeQueueSettings => fault.clone(),
                _ => Fault::None,
            }
        });
        let runtime = start(store, &ScriptedHost::new()).await;
        start_runs(&runtime, 3).await;
        let changed = runtime.change_task_queue(&queue(), &at_a_time(1)).await;
        assert_eq!(changed.expect_err("no verdict").code, ErrorCode::Unavailable);
        assert_eq!(polled(&runtime).await.len(), handed, "{fault:?}");
        let known = async {
            loop {
                let described = runtime.describe_task_queue(queue()).await.expect("described");
                if described.limits.concurrency.is_some() == (handed == 1) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, known).await.expect("it is read again");
    }
}

#[tokio::test]
async fn a_namespace_sets_a_bounded_number_of_queues() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let name = |number: usize| format!("q-{number}").parse().expect("valid");
    for number in 0..QUEUES_WITH_SETTINGS_MAX {
        runtime.change_task_queue(&name(number), &drained(true)).await.expect("changed");
    }
    let one_more = runtime.change_task_queue(&queue(), &drained(true)).await;
    assert_eq!(one_more.expect_err("too many").code, ErrorCode::InvalidArgument);
    runtime.change_task_queue(&name(7), &at_a_time(3)).await.expect("it is one of them");
    runtime.change_task_queue(&name(0), &drained(false)).await.expect("changed");
    runtime.change_task_queue(&queue(), &drained(true)).await.expect("there is room");
}

#[tokio::test]
async fn a_queue_without_settings_is_claimed_from_as_before() {
    let calls = Calls::default();
    let store: Arc<dyn Store> = scripted(memory(), &calls, |_| Fault::None);
    let runtime = start(store, &ScriptedHost::new()).await;
    start_runs(&runtime, 2).await;
    assert_eq!(polled(&runtime).await.len(), 2);
    assert_eq!(calls.count(Operation::ClaimLimitedTasks), 0);
    assert_eq!(calls.count(Operation::AllQueueSettings), 1, "when it starts");
}
