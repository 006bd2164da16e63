//! Runs that start over from a point of their history.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{EventId, RequestId, RunId, UpdateId, UpdateName};
use dacapo_model::payload::Payload;
use dacapo_model::signal::Signal;
use dacapo_model::update::Update;
use dacapo_service::config::ServiceConfig;
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{
    MoveTarget, Reapply, ResetPoint, ResetRequest, RunRef, StartOptions, StartRequest,
    UpdateProgress, UpdateResult, UpdateWait, WaitFor,
};
use dacapo_store::faulty::{Call, Fault, Operation};
use futures::future::join_all;
use support::guests::ScriptedHost;
use support::*;

/// Waits for the outcome, for as long as it takes.
const TO_THE_END: UpdateWait = UpdateWait { wait_for: WaitFor::Completed, wait: PATIENCE };
const NOT: UpdateWait = UpdateWait { wait_for: WaitFor::Completed, wait: Duration::ZERO };

fn to(point: ResetPoint) -> ResetRequest {
    ResetRequest {
        point,
        reapply: Reapply::All,
        module: None,
        reason: "a mistake".to_owned(),
        request_id: None,
    }
}

fn before(event_id: u64) -> ResetRequest {
    to(ResetPoint::Event(EventId(event_id)))
}

fn request_id(text: &str) -> Option<RequestId> {
    Some(RequestId::new(text).expect("valid"))
}

fn exactly(run_id: RunId) -> RunRef {
    RunRef { run_id: Some(run_id), ..run_ref("w") }
}

async fn history_of(runtime: &Node, run_id: RunId) -> Vec<HistoryEvent> {
    let page = runtime.run_history(&exactly(run_id), EventId::FIRST, 1_000).await;
    page.expect("readable").events
}

fn types(history: &[HistoryEvent]) -> Vec<&'static str> {
    history.iter().map(|event| event.attributes.type_name()).collect()
}

async fn status_of(runtime: &Node, run_id: RunId) -> ExecutionStatus {
    let run = runtime.describe_run(&exactly(run_id)).await.expect("there is the run");
    run.execution.status
}

/// Starts `w`, and waits until it has closed.
async fn ended(runtime: &Node, request: StartRequest) -> RunId {
    let started = runtime.start_run(request).await.expect("starts");
    result(runtime, "w").await;
    started.run_id
}

async fn reset_of(runtime: &Node, run: RunId, how: ResetRequest) -> RunId {
    runtime.reset_run(&exactly(run), how).await.expect("it is reset")
}

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
    runtime.update_run(&run_ref("w"), update(id, name, input), wait).await
}

fn done(total: &'static str) -> UpdateProgress {
    UpdateProgress::Completed(Ok(Payload::new(total)))
}

const STEPS: [&str; 6] = [
    "WorkflowExecutionStarted",
    "ActivityTaskScheduled",
    "ActivityTaskCompleted",
    "ActivityTaskScheduled",
    "ActivityTaskCompleted",
    "WorkflowExecutionCompleted",
];

#[tokio::test]
async fn a_closed_run_goes_on_from_the_event_as_a_new_run() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let old = ended(&runtime, request("sequential", "w", "2")).await;
    let before_reset = history_of(&runtime, old).await;
    assert_eq!(types(&before_reset), STEPS);
    // Before the outcome of the second activity, which is awaited: it runs again.
    let new = reset_of(&runtime, old, before(5)).await;
    assert_ne!(new, old);
    assert_eq!(completed_with(&result(&runtime, "w").await), "done");
    assert_eq!((host.attempts_of("step", "2"), host.attempts_of("step", "1")), (1, 2));
    let after = history_of(&runtime, new).await;
    let expected = [&STEPS[..4], &["WorkflowExecutionReset"], &STEPS[4..]].concat();
    assert_eq!(types(&after), expected);
    assert_eq!(after[1..4], before_reset[1..4]);
    assert_eq!(history_of(&runtime, old).await, before_reset, "the old one stays as it was");
}

#[tokio::test]
async fn an_open_run_is_replaced_in_one_commit_and_what_it_ran_is_stopped() {
    let (host, calls) = (ScriptedHost::new(), Calls::default());
    let runtime = start(scripted(memory(), &calls, |_| Fault::None), &host).await;
    let old = runtime.start_run(request("gated", "w", "2")).await.expect("starts").run_id;
    host.gate.add_permits(1);
    until_event(&runtime, "w", "ActivityTaskCompleted").await;
    calls.clear();
    let new = reset_of(&runtime, old, to(ResetPoint::First)).await;
    assert_eq!(status_of(&runtime, old).await, ExecutionStatus::Terminated);
    assert_eq!(runtime.describe_run(&run_ref("w")).await.expect("a run").execution.key.run_id, new);
    host.gate.add_permits(2);
    assert_eq!(completed_with(&result(&runtime, "w").await), "done");
    let commits = calls.count(Operation::Commit);
    assert!(commits <= 4, "one replaces the run, and its guest goes on: {commits}");
    let copied = ["WorkflowExecutionStarted", "WorkflowExecutionReset", "ActivityTaskScheduled"];
    assert_eq!(types(&history_of(&runtime, new).await)[..3], copied);
}

#[tokio::test]
async fn a_run_is_reset_however_it_ended() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let timed =
        StartOptions { run_timeout: Some(Duration::from_millis(5)), ..StartOptions::default() };
    let timed = StartRequest { options: timed, ..request("forever", "w", "") };
    let timed_out = ended(&runtime, timed).await;
    let new = reset_of(&runtime, timed_out, to(ResetPoint::LastActivation)).await;
    let again = runtime.one_result(&exactly(new), PATIENCE).await.expect("a run");
    assert_eq!(again.status, ExecutionStatus::TimedOut, "it has as much time again");

    let failed = ended(&runtime, request("retried", "w", "never")).await;
    assert_eq!(status_of(&runtime, failed).await, ExecutionStatus::Failed);
    let new = reset_of(&runtime, failed, to(ResetPoint::LastActivation)).await;
    let again = runtime.one_result(&exactly(new), PATIENCE).await.expect("a run");
    assert_eq!(again.status, ExecutionStatus::Failed);

    let continued = ended(&runtime, request("again", "w", "2")).await;
    assert_eq!(status_of(&runtime, continued).await, ExecutionStatus::ContinuedAsNew);
    let new = reset_of(&runtime, continued, to(ResetPoint::First)).await;
    let last = runtime.run_result(&exactly(new), PATIENCE).await.expect("a run");
    assert_eq!(completed_with(&last), "last");
    assert_ne!(last.run_id, new, "it continues as new again");

    let terminated = runtime.start_run(request("collect", "w", "1")).await.expect("starts").run_id;
    runtime.terminate_run(&run_ref("w"), "too early".to_owned()).await.expect("it is open");
    let new = reset_of(&runtime, terminated, to(ResetPoint::LastActivation)).await;
    runtime.signal_run(&run_ref("w"), signal("late")).await.expect("it is open");
    assert_eq!(completed_with(&result(&runtime, "w").await), "late");
    assert_eq!(status_of(&runtime, new).await, ExecutionStatus::Completed);
}

#[tokio::test]
async fn a_blocked_run_goes_on_where_its_code_still_fits_and_is_blocked_where_it_does_not() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let old = runtime.start_run(request("faulty", "w", "")).await.expect("starts").run_id;
    until_status(&runtime, "w", ExecutionStatus::Blocked).await;
    let still = reset_of(&runtime, old, to(ResetPoint::First)).await;
    until_status(&runtime, "w", ExecutionStatus::Blocked).await;
    *host.faulty.lock() = false;
    let new = reset_of(&runtime, still, to(ResetPoint::First)).await;
    until_status(&runtime, "w", ExecutionStatus::Running).await;
    let description = runtime.describe_run(&run_ref("w")).await.expect("a run");
    assert_eq!((description.execution.key.run_id, description.execution.blocked), (new, None));
    // Of a run that was reset twice, the guest saw the id of the first.
    let history = history_of(&runtime, new).await;
    let copied = ["WorkflowExecutionStarted", "WorkflowExecutionReset"];
    assert_eq!(types(&history)[..2], copied);
    runtime.request_cancel(&run_ref("w"), String::new(), None).await.expect("it is open");
    assert_eq!(result(&runtime, "w").await.status, ExecutionStatus::Canceled);
}

#[tokio::test]
async fn a_repeated_request_makes_one_run_also_at_the_same_time_and_after_a_crash() {
    let (host, store) = (ScriptedHost::new(), memory());
    let runtime = start(store.clone(), &host).await;
    let old = runtime.start_run(request("collect", "w", "3")).await.expect("starts").run_id;
    let how = ResetRequest { request_id: request_id("once"), ..to(ResetPoint::First) };
    let resets = join_all((0..10).map(|_| reset_of(&runtime, old, how.clone()))).await;
    assert!(resets.iter().all(|new| *new == resets[0]), "{resets:?}");
    let next = start(store, &host).await;
    assert_eq!(reset_of(&next, old, how.clone()).await, resets[0]);
    let named = next.reset_run(&run_ref("w"), how).await.expect("it was reset");
    assert_eq!(named, resets[0], "also if the run that it led to is the latest by now");
    let open = next.describe_run(&run_ref("w")).await.expect("a run").execution;
    assert_eq!((open.key.run_id, open.status), (resets[0], ExecutionStatus::Running));
}

#[tokio::test]
async fn a_request_id_that_was_used_for_another_reset_is_refused() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let old = runtime.start_run(request("collect", "w", "3")).await.expect("starts").run_id;
    for word in ["one", "two"] {
        runtime.signal_run(&run_ref("w"), signal(word)).await.expect("it is open");
    }
    let how = ResetRequest { request_id: request_id("once"), ..before(2) };
    let new = reset_of(&runtime, old, how.clone()).await;
    let elsewhere = ResetRequest { point: ResetPoint::Event(EventId(3)), ..how.clone() };
    for (run, how) in [(exactly(old), elsewhere), (exactly(new), how.clone())] {
        let refused = runtime.reset_run(&run, how).await.expect_err("another reset");
        assert_eq!(refused.code.as_str(), "request_id_reused");
    }
    assert_eq!(reset_of(&runtime, old, how).await, new);
    assert_eq!(status_of(&runtime, new).await, ExecutionStatus::Running);
}

#[tokio::test]
async fn of_two_resets_at_the_same_time_one_run_is_left() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let old = runtime.start_run(request("collect", "w", "1")).await.expect("starts").run_id;
    let both = join_all((0..2).map(|_| reset_of(&runtime, old, to(ResetPoint::First)))).await;
    let mut open = Vec::new();
    for run_id in both {
        match status_of(&runtime, run_id).await {
            ExecutionStatus::Running => open.push(run_id),
            ended => assert_eq!(ended, ExecutionStatus::Terminated),
        }
    }
    assert_eq!(open.len(), 1);
    runtime.signal_run(&run_ref("w"), signal("go")).await.expect("it is open");
    assert_eq!(result(&runtime, "w").await.run_id, open[0]);
}

#[tokio::test]
async fn a_commit_that_fails_or_seems_to_makes_one_run() {
    for closed in [false, true] {
        for fault in commit_faults() {
            let at = format!("closed: {closed}, {fault:?}");
            let armed = Arc::new(parking_lot::Mutex::new(None));
            let script = armed.clone();
            let store =
                scripted(memory(), &Calls::default(), move |call: Call| match call.operation {
                    Operation::Commit => script.lock().take().unwrap_or(Fault::None),
                    _ => Fault::None,
                });
            let runtime = start(store, &ScriptedHost::new()).await;
            let old = runtime.start_run(request("collect", "w", "2")).await.expect("starts").run_id;
            runtime.signal_run(&run_ref("w"), signal("one")).await.expect("it is open");
            if closed {
                runtime.terminate_run(&run_ref("w"), String::new()).await.expect("it is open");
            }
            *armed.lock() = Some(fault);
            let how = ResetRequest { request_id: request_id("it"), ..to(ResetPoint::First) };
            let new = loop {
                match runtime.reset_run(&exactly(old), how.clone()).await {
                    Ok(new) => break new,
                    Err(error) => assert!(error.code.is_retryable(), "{at}: {error:?}"),
                }
            };
            runtime.signal_run(&run_ref("w"), signal("two")).await.expect("it is open");
            let result = result(&runtime, "w").await;
            assert_eq!((result.run_id, &*completed_with(&result)), (new, "one two"), "{at}");
        }
    }
}

#[tokio::test]
async fn under_constant_signals_none_is_lost_and_none_doubled() {
    const SIGNALS: usize = 300;
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(request("collect", "w", "300")).await.expect("starts");
    let send = async {
        for number in 0..SIGNALS {
            let signal = Signal {
                request_id: request_id(&number.to_string()),
                ..signal(&number.to_string())
            };
            runtime.signal_run(&run_ref("w"), signal).await.expect("there is an open run");
            tokio::task::yield_now().await;
        }
    };
    let reset = async || {
        for point in [ResetPoint::First, ResetPoint::LastActivation].into_iter().cycle().take(30) {
            match runtime.reset_run(&run_ref("w"), to(point)).await {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => panic!("{error:?}"),
            }
        }
    };
    tokio::join!(send, reset(), reset());
    let taken = completed_with(&result(&runtime, "w").await);
    let numbers: Vec<String> = (0..SIGNALS).map(|number| number.to_string()).collect();
    assert_eq!(taken, numbers.join(" "));
}

#[tokio::test]
async fn signals_are_sent_again_unless_nothing_is_to_be() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let old = runtime.start_run(request("collect", "w", "2")).await.expect("starts").run_id;
    runtime.signal_run(&run_ref("w"), signal("one")).await.expect("it is open");
    let how = ResetRequest { reapply: Reapply::Nothing, ..to(ResetPoint::First) };
    let new = reset_of(&runtime, old, how).await;
    assert_eq!(signals_of(&history_of(&runtime, new).await), Vec::<String>::new());
    let third = reset_of(&runtime, old, to(ResetPoint::First)).await;
    assert_eq!(signals_of(&history_of(&runtime, third).await), ["one"]);
    assert_eq!(status_of(&runtime, new).await, ExecutionStatus::Terminated);
}

#[tokio::test]
async fn updates_are_done_again_under_their_ids() {
    let (host, store) = (ScriptedHost::new(), memory());
    let runtime = start(store.clone(), &host).await;
    let old = runtime.start_run(request("counter", "w", "0")).await.expect("starts").run_id;
    for (id, number, total) in [("a", "1", "1"), ("b", "2", "3"), ("c", "4", "7")] {
        let answered = send(&runtime, (id, "add", number), TO_THE_END).await.expect("taken");
        assert_eq!(answered.progress, done(total));
    }
    let history = history_of(&runtime, old).await;
    let second = history.iter().filter(|it| it.attributes.type_name() == ACCEPTED).nth(1);
    let second = second.expect("there were three").id;
    let new = reset_of(&runtime, old, before(second.0)).await;
    for (id, total) in [("a", "1"), ("b", "3"), ("c", "7")] {
        let id = UpdateId::new(id).expect("valid");
        let known = runtime.describe_update(&run_ref("w"), id, TO_THE_END).await.expect("known");
        assert_eq!((known.run_id, known.progress), (new, done(total)));
    }
    let repeated = send(&runtime, ("b", "add", "2"), TO_THE_END).await.expect("taken");
    assert_eq!(repeated.progress, done("3"), "a repeat is the same update");
    let history = history_of(&runtime, new).await;
    assert_eq!(types(&history).iter().filter(|name| **name == ACCEPTED).count(), 3);
    assert_eq!(store.run_updates(&[key_of(&runtime).await]).await.expect("reads"), []);

    let how = ResetRequest { reapply: Reapply::Signals, ..to(ResetPoint::First) };
    let bare = reset_of(&runtime, new, how).await;
    assert!(!types(&history_of(&runtime, bare).await).contains(&ACCEPTED));
}

const ACCEPTED: &str = "WorkflowExecutionUpdateAccepted";

async fn key_of(runtime: &Node) -> dacapo_model::ids::RunKey {
    runtime.describe_run(&run_ref("w")).await.expect("a run").execution.key
}

#[tokio::test]
async fn updates_that_wait_go_over_and_so_do_their_callers() {
    let (host, store) = (ScriptedHost::new(), memory());
    let runtime = start(store.clone(), &host).await;
    let old = runtime.start_run(request("counter", "w", "0")).await.expect("starts").run_id;
    // One is under way, and while it is, the run decides about no other.
    assert_eq!(
        send(&runtime, ("p", "pause", "1"), NOT).await.expect("taken").progress,
        UpdateProgress::Accepted
    );
    assert_eq!(
        send(&runtime, ("q", "add", "2"), NOT).await.expect("taken").progress,
        UpdateProgress::Admitted
    );
    let waiting = {
        let runtime = runtime.clone();
        tokio::spawn(async move {
            tokio::join!(
                send(&runtime, ("p", "pause", "1"), TO_THE_END),
                send(&runtime, ("q", "add", "2"), TO_THE_END),
            )
        })
    };
    let accepted = history(&runtime, "w").await;
    let at = accepted.iter().find(|it| it.attributes.type_name() == ACCEPTED).expect("one").id;
    let mut new = old;
    for how in [to(ResetPoint::LastActivation), before(at.0), to(ResetPoint::First)] {
        new = runtime.reset_run(&run_ref("w"), how).await.expect("it is reset");
        // Also who asks the run that had them is told of the one that has.
        for (run, id) in [(run_ref("w"), "q"), (exactly(old), "q"), (exactly(new), "p")] {
            let id = UpdateId::new(id).expect("valid");
            let known = runtime.describe_update(&run, id, NOT).await.expect("it is known");
            assert_eq!(known.run_id, new);
        }
    }
    host.gate.add_permits(10);
    let (paused, added) = waiting.await.expect("they wait");
    let (paused, added) = (paused.expect("it is done"), added.expect("it is done"));
    assert_eq!((paused.run_id, paused.progress), (new, done("1")));
    assert_eq!((added.run_id, added.progress), (new, done("3")));
    assert_eq!(store.run_updates(&[key_of(&runtime).await]).await.expect("reads"), []);
}

#[tokio::test]
async fn updates_that_are_to_be_done_again_survive_the_node() {
    let (host, store) = (ScriptedHost::new(), memory());
    let config = ServiceConfig { shutdown_grace: Duration::ZERO, ..ServiceConfig::default() };
    let first = start_with(store.clone(), &host, config.clone()).await;
    let old = first.start_run(request("counter", "w", "0")).await.expect("starts").run_id;
    send(&first, ("p", "pause", "1"), NOT).await.expect("taken");
    send(&first, ("q", "add", "2"), NOT).await.expect("taken");
    reset_of(&first, old, to(ResetPoint::First)).await;
    let second = start_with(store, &host, config).await;
    host.gate.add_permits(10);
    for (id, total) in [("p", "1"), ("q", "3")] {
        let id = UpdateId::new(id).expect("valid");
        let known = second.describe_update(&run_ref("w"), id, TO_THE_END).await.expect("known");
        assert_eq!(known.progress, done(total));
    }
}

#[tokio::test]
async fn a_reset_that_would_cut_what_belongs_together_names_the_nearest_events() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let old = ended(&runtime, request("sequential", "w", "2")).await;
    let details = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    };
    for (event, nearest) in [(1, details(&[("after", "2")])), (99, details(&[("before", "6")]))] {
        let error = runtime.reset_run(&exactly(old), before(event)).await.expect_err("refused");
        assert_eq!((error.code, &error.details), (ErrorCode::ResetPointInvalid, &nearest));
    }
    let delayed =
        StartOptions { start_delay: Some(Duration::from_secs(60)), ..StartOptions::default() };
    let delayed = StartRequest { options: delayed, ..request("forever", "w", "") };
    runtime.start_run(delayed).await.expect("starts");
    let error = runtime.reset_run(&run_ref("w"), to(ResetPoint::First)).await.expect_err("refused");
    assert_eq!(error.code, ErrorCode::ResetPointInvalid);
    assert!(error.message.contains("has not begun"), "{}", error.message);
}

#[tokio::test]
async fn where_a_run_waits_for_its_children_it_is_not_reset_and_the_nearest_event_works() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    runtime.start_run(request("family", "w", "sequential 1 count=1")).await.expect("starts");
    let old = result(&runtime, "w").await.run_id;
    let history = history_of(&runtime, old).await;
    let closed = "ChildWorkflowExecutionCompleted";
    let at = history.iter().find(|it| it.attributes.type_name() == closed).expect("a child").id;
    let error = runtime.reset_run(&exactly(old), before(at.0)).await.expect_err("refused");
    assert_eq!(error.code, ErrorCode::ResetPointInvalid);
    assert!(error.message.contains("the run waits for"), "{}", error.message);
    for nearest in error.details.values() {
        let at = nearest.parse().expect("an event");
        reset_of(&runtime, old, before(at)).await;
        assert_eq!(result(&runtime, "w").await.status, ExecutionStatus::Completed);
    }
    assert!(!error.details.is_empty());
}

#[tokio::test]
async fn a_timer_of_the_part_that_is_kept_fires_for_the_new_run_too() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let old = ended(&runtime, request("sleep", "w", "5")).await;
    let new = reset_of(&runtime, old, before(3)).await;
    assert_eq!(completed_with(&result(&runtime, "w").await), "awake");
    let expected = [
        "WorkflowExecutionStarted",
        "TimerStarted",
        "WorkflowExecutionReset",
        "TimerFired",
        "WorkflowExecutionCompleted",
    ];
    assert_eq!(types(&history_of(&runtime, new).await), expected);
}

#[tokio::test]
async fn a_run_may_start_over_with_other_code_which_is_blocked_where_it_does_not_fit() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let old = ended(&runtime, request("sequential", "w", "2")).await;
    let name = "scripted".parse().expect("valid");
    let code = bytes::Bytes::from_static(b"reordered");
    runtime.upload_module(&name, code).await.expect("it is accepted");
    let newest = |point| ResetRequest { module: Some(MoveTarget::default()), ..to(point) };
    // It asks for other activities: from the start on, that is no contradiction.
    let new = reset_of(&runtime, old, newest(ResetPoint::First)).await;
    result(&runtime, "w").await;
    assert_eq!((host.attempts_of("other", "2"), host.attempts_of("other", "1")), (1, 1));
    let history = history_of(&runtime, new).await;
    let expected =
        ["WorkflowExecutionStarted", "WorkflowExecutionReset", "WorkflowExecutionOptionsUpdated"];
    assert_eq!(types(&history)[..3], expected);
    let pinned = async |run_id| {
        let run = runtime.describe_run(&exactly(run_id)).await.expect("a run");
        run.execution.module_digest
    };
    assert_ne!(pinned(old).await, pinned(new).await);
    // The kept part says otherwise.
    let at = newest(ResetPoint::Event(EventId(4)));
    runtime.reset_run(&exactly(old), at).await.expect("it is reset");
    until_status(&runtime, "w", ExecutionStatus::Blocked).await;
}
