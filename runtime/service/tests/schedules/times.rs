//! When runs are started.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::execution::ExecutionStatus;
use dacapo_service::operations::{
    ActionStatus, CATCHUP_WINDOW_DEFAULT, Interval, OverlapPolicy, ScheduleDescription,
    ScheduleSpec, UpdateScheduleRequest,
};
use dacapo_store::faulty::{Call, Fault, Operation};

use crate::support::guests::ScriptedHost;
use crate::support::*;
use crate::{
    HOUR, SetClock, create, crons, definition, describe, ended, id, record, record_run, request,
    run_id_of, start_at, trigger, until, with_overlap,
};

#[tokio::test]
async fn it_starts_a_run_at_each_time_and_tells_it_which() {
    let node = start(memory(), &ScriptedHost::new()).await;
    create(&node, "s", definition(crons("* * * * * *"), "retried", "1")).await;
    let described = until(&node, "s", |it| ended(it) >= 2).await;
    let status = &described.status;
    let [.., second, first] = &status.recent_actions[..] else {
        panic!("{status:?}");
    };
    assert_eq!((first.number, first.status), (1, ActionStatus::Completed));
    let between = second.scheduled_time.since(first.scheduled_time);
    assert_eq!(between, Duration::from_secs(1));
    assert!(first.taken_at >= first.scheduled_time, "not early");
    let run = node.describe_run(&run_ref(second.workflow_id.as_str())).await.expect("a run");
    assert_eq!(run.execution.status, ExecutionStatus::Completed);
    assert_eq!(run.parent.expect("it has one").workflow_id.as_str(), run_id_of("s"));
    assert_eq!(Some(run.execution.key.run_id), second.run_id);
    let told = run.execution.attributes.memo["schedule"].to_value().expect("JSON");
    assert_eq!(told["schedule_id"], "s");
    assert_eq!(told["scheduled_time"], serde_json::json!(second.scheduled_time));
    assert!(told.get("last_result_base64").is_some(), "of the first: {told}");
    assert_eq!(described.next_times.len(), 10);
    node.pause_schedule(&id("s"), Some("enough".to_owned()), None).await.expect("asked");
    let paused = describe(&node, "s").await;
    assert!(paused.status.paused && paused.next_times.is_empty());
    assert_eq!(paused.status.note, "enough");
    record(&node, "fires", &run_id_of("s")).await;
    // It starts no more, while another one does.
    let actions = paused.status.counters.actions;
    create(&node, "other", definition(crons("* * * * * *"), "retried", "1")).await;
    until(&node, "other", |it| ended(it) >= 2).await;
    assert_eq!(describe(&node, "s").await.status.counters.actions, actions);
}

#[tokio::test]
async fn what_was_due_while_no_server_ran_is_made_up_for_as_the_policies_say() {
    let short = Duration::from_secs(3600);
    for (overlap, window, started, skipped, missed) in [
        (OverlapPolicy::Skip, CATCHUP_WINDOW_DEFAULT, 1, 4, 0),
        (OverlapPolicy::AllowAll, CATCHUP_WINDOW_DEFAULT, 5, 0, 0),
        (OverlapPolicy::AllowAll, short, 1, 0, 4),
        (OverlapPolicy::BufferOne, CATCHUP_WINDOW_DEFAULT, 1, 3, 0),
    ] {
        let (store, clock) = (memory(), SetClock::at_half_past());
        let node = start_at(&store, &clock).await;
        let mut definition = with_overlap(definition(crons("0 * * * *"), "forever", ""), overlap);
        definition.policies.catchup_window = window;
        create(&node, "s", definition).await;
        node.halt().await;
        clock.step(5 * HOUR);
        let node = start_at(&store, &clock).await;
        let all = |it: &ScheduleDescription| {
            let counters = it.status.counters;
            let taken = counters.actions + counters.skipped + counters.missed;
            taken + it.status.buffered_count as u64 == 5
                && it.status.running.iter().all(|action| action.run_id.is_some())
        };
        let counters = until(&node, "s", all).await.status.counters;
        assert_eq!(
            (counters.actions, counters.skipped, counters.missed),
            (started, skipped, missed),
            "{overlap:?}"
        );
        // Nothing of it happens a second time, whatever the clock says.
        for step in [0, -3 * HOUR, 2 * HOUR] {
            node.halt().await;
            clock.step(step);
            let node = start_at(&store, &clock).await;
            assert_eq!(describe(&node, "s").await.status.counters, counters, "{overlap:?}");
            node.halt().await;
        }
    }
}

#[tokio::test]
async fn very_many_that_are_due_at_once_are_started_in_portions_and_none_is_dropped() {
    let (store, clock) = (memory(), SetClock::at_half_past());
    let node = start_at(&store, &clock).await;
    let each_minute = definition(crons("* * * * *"), "retried", "1");
    create(&node, "s", with_overlap(each_minute, OverlapPolicy::AllowAll)).await;
    node.halt().await;
    clock.step(11 * HOUR);
    let node = start_at(&store, &clock).await;
    let described = until(&node, "s", |it| it.status.counters.actions >= 660).await;
    let counters = described.status.counters;
    assert_eq!((counters.missed, counters.skipped, counters.buffer_dropped), (0, 0, 0));
    assert_eq!(counters.start_failures, 0);
    // A history of all of them would be longer than one may be: another run has gone on.
    let events = history(&node, &run_id_of("s")).await;
    let is_start = |event: &HistoryEvent| {
        matches!(event.attributes, EventAttributes::StartChildWorkflowExecutionInitiated { .. })
    };
    let at_once = events.chunk_by(|one, next| is_start(one) && is_start(next)).map(<[_]>::len);
    assert!(at_once.max() <= Some(50));
    let EventAttributes::WorkflowExecutionStarted(started) = &events[0].attributes else {
        panic!("{:?}", events[0]);
    };
    assert!(started.continued_from.is_some(), "{started:?}");
}

#[tokio::test]
async fn what_was_due_before_a_change_is_done_as_it_was_said_before() {
    let (store, clock) = (memory(), SetClock::at_half_past());
    let node = start_at(&store, &clock).await;
    let hourly = definition(crons("0 * * * *"), "retried", "1");
    create(&node, "s", with_overlap(hourly, OverlapPolicy::AllowAll)).await;
    // The node's timers do not know of it.
    clock.step(3 * HOUR);
    let update = UpdateScheduleRequest {
        definition: definition(crons("0 0 1 1 *"), "retried", "2"),
        environment: BTreeMap::new(),
        arguments: Vec::new(),
        note: None,
        remaining_actions: None,
    };
    node.update_schedule(&id("s"), update, None).await.expect("asked");
    let described = until(&node, "s", |it| ended(it) == 3).await;
    let action = &described.status.recent_actions[0];
    let events = history(&node, action.workflow_id.as_str()).await;
    let EventAttributes::WorkflowExecutionStarted(started) = &events[0].attributes else {
        panic!("{:?}", events[0]);
    };
    assert_eq!(started.input.as_bytes(), b"1");
}

#[tokio::test]
async fn a_schedule_takes_only_as_many_actions_as_it_may() {
    let (store, clock) = (memory(), SetClock::at_half_past());
    let node = start_at(&store, &clock).await;
    let all = with_overlap(definition(crons("0 * * * *"), "retried", "1"), OverlapPolicy::AllowAll);
    let mut two = request("s", all);
    two.remaining_actions = Some(2);
    node.create_schedule(two).await.expect("made");
    node.halt().await;
    clock.step(5 * HOUR);
    let node = start_at(&store, &clock).await;
    let described = until(&node, "s", |it| ended(it) == 2).await;
    assert_eq!(described.status.remaining_actions, Some(0));
    assert_eq!(described.next_times, []);
    // By itself.
    assert_eq!(trigger(&node, "s", None).await.started, 1);
}

/// Whatever commit the server dies after or before.
#[tokio::test]
async fn each_time_has_one_run_wherever_the_server_dies() {
    let hourly = crons("0 * * * *");
    for number in 1..14 {
        two_are_due_and_the_server_dies(&hourly, 2 * HOUR, number).await;
    }
}

#[tokio::test]
async fn each_time_has_one_run_wherever_the_server_dies_while_another_run_goes_on() {
    let twice = Interval { every_seconds: 13 * 3_600, phase_seconds: 0 };
    let twice = ScheduleSpec { intervals: vec![twice], ..ScheduleSpec::default() };
    for number in 1..16 {
        let node = two_are_due_and_the_server_dies(&twice, 26 * HOUR, number).await;
        let events = history(&node, &run_id_of("s")).await;
        let EventAttributes::WorkflowExecutionStarted(started) = &events[0].attributes else {
            panic!("{:?}", events[0]);
        };
        assert!(started.continued_from.is_some(), "{started:?}");
    }
}

/// Lets two actions be due that were not while the schedule was made, `step` before, and the
/// server die at a commit.
async fn two_are_due_and_the_server_dies(spec: &ScheduleSpec, step: i64, number: u64) -> Node {
    let (inner, clock) = (memory(), SetClock::at_half_past());
    let node = start_at(&inner, &clock).await;
    let twice = definition(spec.clone(), "retried", "1");
    create(&node, "s", with_overlap(twice, OverlapPolicy::BufferAll)).await;
    node.halt().await;
    clock.step(step);
    let (calls, commits) = (Calls::default(), AtomicU64::new(0));
    let dead = Arc::new(AtomicBool::new(false));
    let died = dead.clone();
    let store = scripted(inner.clone(), &calls, move |call: Call| {
        if call.operation != Operation::Commit {
            return Fault::None;
        }
        match commits.fetch_add(1, Ordering::SeqCst) + 1 {
            at if at < number => Fault::None,
            at => {
                died.store(true, Ordering::SeqCst);
                if at == number && number.is_multiple_of(2) {
                    Fault::DoneButUnavailable
                } else {
                    Fault::Unavailable
                }
            }
        }
    });
    let dying = start_at(&store, &clock).await;
    let over = async {
        while !dead.load(Ordering::SeqCst) {
            let both = |it: &ScheduleDescription| ended(it) == 2;
            if dying.describe_schedule(&id("s")).await.is_ok_and(|it| both(&it)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, over).await.expect("it comes to that");
    dying.halt().await;
    let node = start_at(&inner, &clock).await;
    let described = until(&node, "s", |it| ended(it) == 2).await;
    assert_eq!(described.status.counters.actions, 2, "commit {number}");
    assert_eq!(described.status.counters.start_failures, 0, "commit {number}");
    for action in &described.status.recent_actions {
        let events = event_types(&node, action.workflow_id.as_str()).await;
        assert_eq!(events.first(), Some(&"WorkflowExecutionStarted"));
        assert_eq!(action.status, ActionStatus::Completed);
    }
    node
}

#[tokio::test]
async fn a_run_that_is_a_day_old_is_continued_with_its_next_action() {
    let (store, clock) = (memory(), SetClock::at_half_past());
    let node = start_at(&store, &clock).await;
    let hourly = definition(crons("0 * * * *"), "retried", "1");
    create(&node, "s", with_overlap(hourly, OverlapPolicy::AllowAll)).await;
    let first = describe(&node, "s").await;
    let mut at = node;
    for (hours, is_first) in [(23, true), (24, false), (25, false)] {
        at.halt().await;
        clock.step(if hours == 23 { 23 * HOUR } else { HOUR });
        at = start_at(&store, &clock).await;
        let described = until(&at, "s", |it| it.status.counters.actions == hours).await;
        let described = match is_first {
            true => described,
            // The start of the run is recorded before.
            false => until(&at, "s", |it| it.run_id != first.run_id).await,
        };
        assert_eq!(described.run_id == first.run_id, is_first, "{hours}");
    }
    let described = until(&at, "s", |it| it.status.running_count == 0).await;
    assert_eq!(described.status.created_at, first.status.created_at);
    let counters = described.status.counters;
    assert_eq!((counters.actions, counters.start_failures), (25, 0));
    assert_eq!((counters.missed, counters.skipped, counters.buffer_dropped), (0, 0, 0));
    // The newest first, each hour once, across both runs.
    for pair in described.status.recent_actions.windows(2) {
        assert_eq!(pair[0].scheduled_time.since(pair[1].scheduled_time).as_secs(), 3_600);
    }
    record_run(&at, "old", &run_id_of("s"), Some(first.run_id)).await;
}

#[tokio::test]
async fn a_schedule_that_waits_asks_for_nothing() {
    let calls = Calls::default();
    let store = scripted(memory(), &calls, |_| Fault::None);
    let node = start(store, &ScriptedHost::new()).await;
    create(&node, "s", definition(crons("0 0 1 1 *"), "forever", "")).await;
    trigger(&node, "s", None).await;
    until(&node, "s", |it| it.status.running.iter().all(|it| it.run_id.is_some())).await;
    let events = history(&node, &run_id_of("s")).await;
    let timers = events
        .iter()
        .filter(|event| matches!(event.attributes, EventAttributes::TimerStarted { .. }));
    assert_eq!(timers.count(), 1, "it waits for the same timer all the time");
    calls.clear();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((calls.reads(), calls.count(Operation::Commit)), (0, 0), "{calls:?}");
}
