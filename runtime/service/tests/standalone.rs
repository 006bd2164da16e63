//! Activities that no workflow asked for: durable jobs on a task queue.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dacapo_model::attributes::RunAttributes;
use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::code::ErrorCode;
use dacapo_model::event::{AskedActivityOptions, EventAttributes};
use dacapo_model::execution::{ExecutionStatus, IdConflictPolicy, IdReusePolicy};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{
    ActivityId, EventId, ModuleName, OperationId, QueryName, RequestId, TypeName, WorkflowId,
};
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_model::retry::RetryPolicy;
use dacapo_model::task::TaskRoute;
use dacapo_service::operations::{
    ActivityRef, Awaited, ExecutionFilter, MoveTarget, PollRequest, Reapply, RejectIf, Report,
    ResetPoint, ResetRequest, RunRef, StandaloneDescription, StandaloneFilter, StandaloneRef,
    StandaloneResult, StartActivityRequest, canceled_report,
};
use dacapo_store::Store;
use dacapo_store::faulty::{Call, Fault, Operation};
use support::guests::{ScriptedHost, queue};
use support::worker::*;
use support::*;

fn job(id: &str) -> StartActivityRequest {
    StartActivityRequest {
        activity_type: TypeName::new("send").expect("valid"),
        activity_id: Some(activity_id(id)),
        request_id: None,
        input: Payload::new("17"),
        reuse_policy: IdReusePolicy::default(),
        conflict_policy: IdConflictPolicy::default(),
        options: options(),
        start_delay: None,
        attributes: RunAttributes::default(),
        inferred: BTreeSet::new(),
    }
}

fn options() -> AskedActivityOptions {
    let soon = Duration::from_millis(5);
    AskedActivityOptions {
        retry: Some(RetryPolicy {
            initial_interval: soon,
            maximum_interval: soon,
            ..RetryPolicy::default()
        }),
        task_queue: Some(TaskRoute::to(queue())),
        ..AskedActivityOptions::default()
    }
}

fn activity_id(id: &str) -> ActivityId {
    ActivityId::new(id).expect("valid")
}

fn named(id: &str) -> StandaloneRef {
    StandaloneRef { activity_id: activity_id(id), run_id: None }
}

/// The run behind it.
fn run_id_of(id: &str) -> String {
    BuiltinWorkflow::Activity.workflow_id(id).expect("valid").to_string()
}

fn run_of(id: &str) -> RunRef {
    run_ref(&run_id_of(id))
}

async fn start_job(runtime: &Node, id: &str) {
    assert!(runtime.start_activity(job(id)).await.expect("started").started);
}

async fn ended(runtime: &Node, id: &str) -> StandaloneResult {
    let result = runtime.activity_result(&named(id), PATIENCE).await.expect("it is there");
    assert!(result.closing.is_some(), "{id} has not ended: {result:?}");
    result
}

fn closing(result: &StandaloneResult) -> &EventAttributes {
    &result.closing.as_ref().expect("it has ended").attributes
}

#[track_caller]
fn completed(result: &StandaloneResult) -> &[u8] {
    match closing(result) {
        EventAttributes::WorkflowExecutionCompleted { result } => result.as_bytes(),
        other => panic!("it has not completed: {other:?}"),
    }
}

#[track_caller]
fn failure(result: &StandaloneResult) -> &Failure {
    match closing(result) {
        EventAttributes::WorkflowExecutionFailed { failure, .. } => failure,
        other => panic!("it has not failed: {other:?}"),
    }
}

fn failed(message: &str) -> Report {
    Report::Failed(Failure::new(FailureKind::Application, "Flaky", message))
}

async fn describe(runtime: &Node, id: &str) -> StandaloneDescription {
    runtime.describe_activity(&named(id)).await.expect("it is there")
}

async fn cancel(runtime: &Node, id: &str) {
    runtime.cancel_activity(&named(id), "too late".to_owned(), None).await.expect("asked");
}

#[tokio::test]
async fn a_worker_makes_it_and_its_result_is_that_of_the_job() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_job(&runtime, "j").await;
    let open = runtime.activity_result(&named("j"), Duration::ZERO).await.expect("it is there");
    assert_eq!((open.status, open.closing), (ExecutionStatus::Running, None));
    let task = task(&runtime).await;
    assert_eq!((task.activity_type.as_str(), task.input.as_bytes()), ("send", &b"17"[..]));
    assert_eq!((task.workflow_id.as_str(), task.attempt), (run_id_of("j").as_str(), 1));
    report(&runtime, task.token, done("\"sent\"")).await.expect("it is held");
    let result = ended(&runtime, "j").await;
    assert_eq!(completed(&result), b"\"sent\"");
    assert_eq!((result.activity_id, result.status), (activity_id("j"), ExecutionStatus::Completed));
    assert_eq!(
        event_types(&runtime, &run_id_of("j")).await,
        [
            "WorkflowExecutionStarted",
            "ActivityTaskScheduled",
            "ActivityTaskCompleted",
            "WorkflowExecutionCompleted"
        ]
    );
    let described = describe(&runtime, "j").await;
    assert_eq!((described.attempt, described.history_length), (Some(1), 4));
}

#[tokio::test]
async fn it_costs_two_commits_if_a_poll_waits_and_a_claim_besides_if_none_does() {
    let calls = Calls::default();
    let store = scripted(memory(), &calls, |_| Fault::None);
    let runtime = start(store, &ScriptedHost::new()).await;
    calls.clear();
    start_job(&runtime, "j").await;
    assert_eq!(calls.count(Operation::Commit), 1, "with the task: {:?}", calls);
    let task_of_j = task(&runtime).await;
    report(&runtime, task_of_j.token, done("1")).await.expect("it is held");
    ended(&runtime, "j").await;
    assert_eq!((calls.count(Operation::Commit), calls.count(Operation::ClaimTasks)), (2, 1));

    let polled = tokio::spawn({
        let runtime = runtime.clone();
        async move { task(&runtime).await }
    });
    let looked = async {
        while calls.count(Operation::ClaimTasks) == 1 || runtime.in_hand() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looked).await.expect("it looks");
    calls.clear();
    start_job(&runtime, "k").await;
    let handed = tokio::time::timeout(PATIENCE, polled).await.expect("it comes").expect("no panic");
    report(&runtime, handed.token, done("1")).await.expect("it is held");
    ended(&runtime, "k").await;
    assert_eq!((calls.count(Operation::Commit), calls.count(Operation::ClaimTasks)), (2, 0));
}

#[tokio::test]
async fn failures_are_tried_again_and_seen_and_the_last_is_that_of_the_job() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let hour = Duration::from_secs(3600);
    let retry = RetryPolicy { maximum_attempts: 2, ..RetryPolicy::default() };
    let request = StartActivityRequest {
        options: AskedActivityOptions { retry: Some(retry), ..options() },
        ..job("j")
    };
    runtime.start_activity(request).await.expect("started");
    let first = task(&runtime).await;
    heartbeat(&runtime, first.token, "\"half\"").await.expect("it is held");
    let held = describe(&runtime, "j").await.pending.expect("it is pending");
    assert_eq!(held.lease.expect("it is held").worker, poll_request().worker);
    let mut failure_of_first = Failure::new(FailureKind::Application, "Flaky", "not yet");
    failure_of_first.info.next_retry_delay = Some(hour);
    report(&runtime, first.token, Report::Failed(failure_of_first)).await.expect("it is held");
    let described = describe(&runtime, "j").await;
    let pending = described.pending.expect("it is tried again");
    assert_eq!((described.attempt, pending.attempt, &pending.lease), (Some(2), 2, &None));
    assert!(pending.next_attempt_at.is_some(), "{pending:?}");
    assert_eq!(pending.last_failure.expect("it has failed").info.message, "not yet");
    assert_eq!(pending.heartbeat_details.expect("it has said").as_bytes(), b"\"half\"");
    let options = described.options.expect("it is readable");
    assert_eq!(options.retry.maximum_attempts, 2);

    // It need not wait for the hour.
    let activity = ActivityRef::Operation { run: run_of("j"), operation_id: OperationId(1) };
    runtime.report_activity(&activity, failed("never")).await.expect("it waits");
    let result = ended(&runtime, "j").await;
    let failure = failure(&result);
    assert_eq!((&*failure.info.type_name, &*failure.info.message), ("Flaky", "never"));
    assert_eq!(failure.info.kind, FailureKind::Application, "nothing around it");
    assert_eq!(describe(&runtime, "j").await.attempt, Some(2));
}

#[tokio::test]
async fn a_job_that_no_worker_takes_in_time_has_failed_with_the_timeout() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let soon = Some(Duration::from_millis(20));
    let request = StartActivityRequest {
        options: AskedActivityOptions { schedule_to_start_timeout: soon, ..options() },
        ..job("j")
    };
    runtime.start_activity(request).await.expect("started");
    let result = ended(&runtime, "j").await;
    let failure = failure(&result);
    assert_eq!(
        (failure.info.kind, &*failure.info.type_name),
        (FailureKind::Timeout, "ScheduleToStart")
    );
}

#[tokio::test]
async fn a_delayed_job_is_no_task_before_its_time() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let delay = Duration::from_millis(300);
    let request = StartActivityRequest { start_delay: Some(delay), ..job("j") };
    runtime.start_activity(request).await.expect("started");
    let described = describe(&runtime, "j").await;
    assert!(described.delayed_until.is_some() && described.pending.is_none(), "{described:?}");
    assert_eq!(described.attempt, None);
    let options = described.options.expect("it is readable");
    assert_eq!(options.task_queue.expect("it has one").queue, queue());
    let task = task(&runtime).await;
    let events = history(&runtime, &run_id_of("j")).await;
    let types: Vec<_> = events.iter().map(|event| event.attributes.type_name()).collect();
    assert_eq!(types[1..], ["WorkflowExecutionDelayEnded", "ActivityTaskScheduled"]);
    let waited = events[2].time.since(events[0].time);
    assert!(waited >= delay, "after {waited:?}");
    report(&runtime, task.token, done("1")).await.expect("it is held");
    assert_eq!(completed(&ended(&runtime, "j").await), b"1");
}

#[tokio::test]
async fn a_job_that_no_worker_has_is_cancelled_at_once() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_job(&runtime, "waits").await;
    cancel(&runtime, "waits").await;
    assert_eq!(ended(&runtime, "waits").await.status, ExecutionStatus::Canceled);
    let delay = Some(Duration::from_secs(3600));
    let delayed = StartActivityRequest { start_delay: delay, ..job("delayed") };
    runtime.start_activity(delayed).await.expect("started");
    cancel(&runtime, "delayed").await;
    let result = ended(&runtime, "delayed").await;
    assert!(
        matches!(
            closing(&result),
            EventAttributes::WorkflowExecutionCanceled { details } if details == "too late"
        ),
        "{result:?}"
    );
    let events = event_types(&runtime, &run_id_of("delayed")).await;
    assert!(!events.contains(&"ActivityTaskScheduled"), "it was never to begin: {events:?}");
    no_task(&runtime).await;
    let again = runtime.cancel_activity(&named("waits"), String::new(), None).await;
    let again = again.expect_err("it is closed");
    assert_eq!(again.code, ErrorCode::RunClosed);
    assert_eq!(again.message, "activity `waits` is closed already");
}

#[tokio::test]
async fn a_worker_hears_that_a_job_is_to_cancel_and_may_do_it_or_not() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    for id in ["obeys", "goes on", "fails"] {
        start_job(&runtime, id).await;
        let task = task(&runtime).await;
        assert_eq!(heartbeat(&runtime, task.token, "1").await, Ok(false));
        cancel(&runtime, id).await;
        assert_eq!(heartbeat(&runtime, task.token, "1").await, Ok(true));
        assert!(describe(&runtime, id).await.cancel_requested);
        let (says, status) = match id {
            "obeys" => {
                let cancelled = canceled_report("cleaned up".to_owned(), None);
                (cancelled, ExecutionStatus::Canceled)
            }
            "goes on" => (done("1"), ExecutionStatus::Completed),
            _ => (failed("no more"), ExecutionStatus::Failed),
        };
        report(&runtime, task.token, says).await.expect("it is held");
        assert_eq!(ended(&runtime, id).await.status, status, "{id}");
    }
}

#[tokio::test]
async fn a_terminated_job_is_gone_for_its_worker() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_job(&runtime, "j").await;
    let task = task(&runtime).await;
    runtime.terminate_activity(&named("j"), "enough".to_owned()).await.expect("ended");
    assert_eq!(ended(&runtime, "j").await.status, ExecutionStatus::Terminated);
    let late = report(&runtime, task.token, done("1")).await;
    assert!(matches!(late, Err(ErrorCode::LeaseLost | ErrorCode::ActivityNotFound)), "{late:?}");
    no_task(&runtime).await;
}

#[tokio::test]
async fn a_repeated_start_starts_once_and_one_that_says_something_else_is_refused() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let request_id = Some(RequestId::new("r").expect("valid"));
    let request = StartActivityRequest { request_id: request_id.clone(), ..job("j") };
    let first = runtime.start_activity(request.clone()).await.expect("started");
    for _ in 0..2 {
        let again = runtime.start_activity(request.clone()).await.expect("started before");
        assert_eq!((again.run_id, again.started), (first.run_id, false));
        report_all(&runtime).await;
    }
    ended(&runtime, "j").await;
    let minute = Some(Duration::from_secs(60));
    let other = AskedActivityOptions { heartbeat_timeout: minute, ..options() };
    for (other, what) in [
        (StartActivityRequest { input: Payload::new("18"), ..request.clone() }, "another input"),
        (StartActivityRequest { options: other, ..request.clone() }, "another set of options"),
    ] {
        let refused = runtime.start_activity(other).await.expect_err("it says something else");
        assert_eq!(refused.code, ErrorCode::RequestIdReused);
        assert!(refused.message.contains(what), "{refused}");
    }
    let nameless = StartActivityRequest { activity_id: None, request_id, ..job("j") };
    let refused = runtime.start_activity(nameless).await.expect_err("it would promise nothing");
    assert!(refused.message.contains("activity_id"), "{refused}");
}

/// Completes what waits.
async fn report_all(runtime: &Node) {
    let request = PollRequest { wait_seconds: Some(0.05), ..poll_request() };
    for task in runtime.poll_tasks(request).await.expect("polled") {
        report(runtime, task.token, done("1")).await.expect("it is held");
    }
}

#[tokio::test]
async fn the_policies_say_whether_there_is_another_of_one_id() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let first = runtime.start_activity(job("j")).await.expect("started");
    let refused = runtime.start_activity(job("j")).await.expect_err("it is open");
    assert_eq!(refused.code, ErrorCode::ActivityAlreadyStarted);
    assert_eq!(refused.details["run_id"], first.run_id.to_string());
    let use_existing =
        StartActivityRequest { conflict_policy: IdConflictPolicy::UseExisting, ..job("j") };
    let found = runtime.start_activity(use_existing).await.expect("it is there");
    assert_eq!((found.run_id, found.started), (first.run_id, false));
    let replace =
        StartActivityRequest { conflict_policy: IdConflictPolicy::TerminateExisting, ..job("j") };
    let second = runtime.start_activity(replace).await.expect("started");
    assert!(second.started && second.run_id != first.run_id);
    let of_first = StandaloneRef { run_id: Some(first.run_id), ..named("j") };
    let result = runtime.activity_result(&of_first, PATIENCE).await.expect("it is there");
    assert_eq!(result.status, ExecutionStatus::Terminated);

    report(&runtime, task(&runtime).await.token, done("1")).await.expect("it is held");
    ended(&runtime, "j").await;
    let reuse = |reuse_policy| StartActivityRequest { reuse_policy, ..job("j") };
    for policy in [IdReusePolicy::RejectDuplicate, IdReusePolicy::AllowDuplicateFailedOnly] {
        let refused = runtime.start_activity(reuse(policy)).await.expect_err("it completed");
        assert_eq!(refused.code, ErrorCode::ActivityAlreadyStarted);
    }
    let third = runtime.start_activity(reuse(IdReusePolicy::AllowDuplicate)).await;
    assert!(third.expect("started").started);
}

#[tokio::test]
async fn jobs_and_workflows_have_their_own_ids_and_lists() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_job(&runtime, "same").await;
    runtime.start_run(request("forever", "same", "1")).await.expect("another kind of id");
    let runs = runtime.list_runs(&ExecutionFilter::default(), None, 10).await.expect("listed");
    let ids: Vec<_> = runs.executions.iter().map(|run| run.workflow_id.as_str()).collect();
    assert_eq!(ids, ["same"]);
    let list = async |filter| {
        let page = runtime.list_activities(filter, None, 10).await.expect("listed");
        page.activities.into_iter().map(|it| it.activity_id.to_string()).collect::<Vec<_>>()
    };
    start_job(&runtime, "other").await;
    let mut all = list(StandaloneFilter::default()).await;
    all.sort();
    assert_eq!(all, ["other", "same"]);
    let one = StandaloneFilter { activity_id: Some(activity_id("same")), ..Default::default() };
    assert_eq!(list(one).await, ["same"]);
    let none = StandaloneFilter { statuses: vec![ExecutionStatus::Failed], ..Default::default() };
    assert_eq!(list(none).await, <[String; 0]>::default());
    let unknown = runtime.describe_activity(&named("unknown")).await.expect_err("it is not there");
    assert_eq!(unknown.code, ErrorCode::ActivityNotFound);
}

#[tokio::test]
async fn nobody_else_has_the_ids_and_the_module_of_built_in_workflows() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let taken = runtime.start_run(request("forever", &run_id_of("j"), "1")).await;
    assert_eq!(taken.expect_err("it is not theirs").code, ErrorCode::InvalidArgument);
    let name = ModuleName::new("dacapo").expect("valid");
    let upload = runtime.upload_module(&name, bytes::Bytes::from_static(b"mine")).await;
    assert_eq!(upload.expect_err("it is taken").code, ErrorCode::InvalidArgument);
    let long =
        StartActivityRequest { activity_id: Some(activity_id(&"x".repeat(240))), ..job("j") };
    let refused = runtime.start_activity(long).await.expect_err("it is too long");
    assert!(refused.message.contains("at most 239"), "{refused}");
    let longest =
        StartActivityRequest { activity_id: Some(activity_id(&"x".repeat(239))), ..job("j") };
    runtime.start_activity(longest).await.expect("it fits");
}

#[tokio::test]
async fn what_can_be_done_about_runs_can_be_done_about_the_run_of_a_job() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_job(&runtime, "j").await;
    let waiting = runtime.describe_waiting(&run_of("j")).await.expect("described");
    assert!(
        matches!(&waiting.waits[0].awaited, Awaited::Activity { activity_type, .. } if activity_type.as_str() == "send"),
        "{waiting:?}"
    );
    let query = Query { name: QueryName::new("status").expect("valid"), input: Payload::new("1") };
    let asked = runtime.query_run(&run_of("j"), query.clone(), RejectIf::None).await;
    assert_eq!(asked.expect_err("it has no answer").code, ErrorCode::QueryFailed);
    runtime.signal_run(&run_of("j"), signal("hello")).await.expect("kept");
    let target = MoveTarget::new(None, Some(ModuleName::new("scripted").expect("valid")), None);
    let moved = runtime.move_run(&run_of("j"), &target.expect("valid")).await;
    let moved = moved.expect_err("it has no other code");
    assert!(moved.message.contains("built-in"), "{moved}");

    let first = task(&runtime).await;
    report(&runtime, first.token, failed_for_good()).await.expect("it is held");
    assert_eq!(ended(&runtime, "j").await.status, ExecutionStatus::Failed);
    let asked = runtime.query_run(&run_of("j"), query, RejectIf::None).await;
    assert_eq!(asked.expect_err("it has ended").code, ErrorCode::QueryNotServed);
    // Once more, from before its end.
    let reset = ResetRequest {
        point: ResetPoint::Event(EventId(2)),
        reapply: Reapply::Nothing,
        module: None,
        reason: "fixed".to_owned(),
        request_id: None,
    };
    runtime.reset_run(&run_of("j"), reset).await.expect("reset");
    let again = task(&runtime).await;
    report(&runtime, again.token, done("2")).await.expect("it is held");
    assert_eq!(completed(&ended(&runtime, "j").await), b"2");
}

fn failed_for_good() -> Report {
    Report::Failed(Failure::new(FailureKind::Application, "Bad", "no").non_retryable())
}

#[tokio::test]
async fn an_outsider_completes_a_job_by_its_id() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_job(&runtime, "j").await;
    runtime.report_standalone(&named("j"), done("\"by hand\"")).await.expect("it waits");
    assert_eq!(completed(&ended(&runtime, "j").await), b"\"by hand\"");
    no_task(&runtime).await;
    let again = runtime.report_standalone(&named("j"), done("1")).await.expect_err("it has ended");
    assert_eq!(again.code, ErrorCode::ActivityNotFound);
}

#[tokio::test]
async fn an_instance_that_had_to_leave_comes_back() {
    // Only one at a time, which goes as soon as its run waits.
    let runtime = start(memory(), &ScriptedHost::with_room_for(0)).await;
    for id in ["a", "b", "c"] {
        start_job(&runtime, id).await;
    }
    for _ in 0..3 {
        report(&runtime, task(&runtime).await.token, done("1")).await.expect("it is held");
    }
    for id in ["a", "b", "c"] {
        assert_eq!(completed(&ended(&runtime, id).await), b"1");
    }
}

#[tokio::test]
async fn the_next_node_goes_on_with_every_job() {
    let (store, host) = (memory(), ScriptedHost::new());
    let first = start(store.clone(), &host).await;
    let delay = Some(Duration::from_millis(100));
    let delayed = StartActivityRequest { start_delay: delay, ..job("delayed") };
    first.start_activity(delayed).await.expect("started");
    start_job(&first, "held").await;
    let held = task(&first).await;
    assert_eq!(held.workflow_id.as_str(), run_id_of("held"));
    start_job(&first, "waits").await;
    first.halt().await;

    let second = start(store, &host).await;
    report(&second, held.token, done("\"held\"")).await.expect("it is held still");
    for _ in 0..2 {
        report(&second, task(&second).await.token, done("1")).await.expect("it is held");
    }
    assert_eq!(completed(&ended(&second, "held").await), b"\"held\"");
    for id in ["delayed", "waits"] {
        assert_eq!(completed(&ended(&second, id).await), b"1");
    }
}

/// A job ends with one outcome, whatever becomes of which commit.
#[tokio::test]
async fn whatever_becomes_of_a_commit_a_job_has_one_outcome() {
    for fault in commit_faults() {
        for number in 1..=2 {
            let failed = Arc::new(AtomicBool::new(false));
            let (has_failed, fault_of) = (failed.clone(), fault.clone());
            let store = scripted(memory(), &Calls::default(), move |call: Call| {
                if call.operation == Operation::Commit && call.number == number {
                    has_failed.store(true, Ordering::SeqCst);
                    return fault_of.clone();
                }
                Fault::None
            });
            let runtime = start(store, &ScriptedHost::new()).await;
            let _ = runtime.start_activity(job("j")).await;
            work_until_closed(&runtime, &run_id_of("j")).await;
            assert!(failed.load(Ordering::SeqCst), "commit {number} {fault:?}");
            assert_eq!(
                event_types(&runtime, &run_id_of("j")).await,
                [
                    "WorkflowExecutionStarted",
                    "ActivityTaskScheduled",
                    "ActivityTaskCompleted",
                    "WorkflowExecutionCompleted"
                ],
                "commit {number} {fault:?}"
            );
            runtime.halt().await;
        }
    }
}

#[tokio::test]
async fn a_node_that_dies_after_any_commit_loses_no_job() {
    for number in 1..=2 {
        let (inner, host): (Arc<dyn Store>, _) = (memory(), ScriptedHost::new());
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
                let _ = dying.start_activity(job("j")).await;
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
        work_until_closed(&runtime, &run_id_of("j")).await;
        assert_eq!(completed(&ended(&runtime, "j").await), b"17", "commit {number}");
    }
}

#[tokio::test]
async fn a_workflow_can_ask_a_job_to_cancel_by_its_workflow_id() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_job(&runtime, "j").await;
    let by_run =
        RunRef { workflow_id: WorkflowId::new(run_id_of("j")).expect("valid"), run_id: None };
    runtime.request_cancel(&by_run, "other way".to_owned(), None).await.expect("asked");
    assert_eq!(ended(&runtime, "j").await.status, ExecutionStatus::Canceled);
}
