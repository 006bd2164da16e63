//! The same operation on all runs that a filter matches.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::code::ErrorCode;
use dacapo_model::event::EventAttributes;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{BatchId, RequestId, SignalName};
use dacapo_model::payload::Payload;
use dacapo_service::operations::{
    BatchDescription, BatchOperation, BatchReapply, BatchResetPoint, ExecutionFilter,
    StartBatchRequest,
};
use dacapo_store::Store;
use dacapo_store::faulty::{Call, Fault, Operation};
use support::guests::ScriptedHost;
use support::*;

/// Those that wait for a signal.
const COLLECTORS: &str = "WorkflowType = 'collect'";

fn batch(operation: BatchOperation) -> StartBatchRequest {
    StartBatchRequest {
        batch_id: Some(batch_id()),
        request_id: Some(RequestId::new("r").expect("valid")),
        operation,
        filter: COLLECTORS.to_owned(),
        reason: "the shop closes".to_owned(),
        runs_per_second: 10_000.0,
    }
}

fn batch_id() -> BatchId {
    BatchId::new("b").expect("valid")
}

fn word() -> BatchOperation {
    let name = SignalName::new("word").expect("valid");
    BatchOperation::Signal { name, input: Payload::new("hello") }
}

async fn start_collectors(runtime: &Node, count: usize) {
    for number in 0..count {
        let started = runtime.start_run(request("collect", &format!("c{number}"), "1")).await;
        started.expect("started");
    }
}

async fn started(runtime: &Node, request: StartBatchRequest) {
    assert!(runtime.start_batch(request).await.expect("started").started);
}

async fn described(runtime: &Node) -> BatchDescription {
    runtime.describe_batch(&batch_id()).await.expect("it is there")
}

/// Waits for its end.
async fn ended(runtime: &Node) -> BatchDescription {
    let run = run_ref(&batch_run());
    let result = runtime.run_result(&run, PATIENCE).await.expect("it is there");
    assert!(result.closing.is_some(), "it has not ended: {result:?}");
    described(runtime).await
}

fn batch_run() -> String {
    BuiltinWorkflow::Batch.workflow_id("b").expect("valid").to_string()
}

fn counts(described: &BatchDescription) -> (u64, u64, u64) {
    let progress = &described.progress;
    (progress.done, progress.skipped, progress.failed)
}

/// So many runs that stand there.
async fn count(runtime: &Node, status: ExecutionStatus) -> usize {
    let filter = ExecutionFilter { statuses: vec![status], ..ExecutionFilter::default() };
    runtime.list_runs(&filter, None, 1000).await.expect("a list").executions.len()
}

#[tokio::test]
async fn each_run_that_matches_gets_the_signal_once() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_collectors(&runtime, 250).await;
    runtime.start_run(request("teller", "other", "")).await.expect("started");
    assert_eq!(runtime.preview_batch(&batch(word())).await.expect("counted"), 250);
    started(&runtime, batch(word())).await;
    let described = ended(&runtime).await;
    assert_eq!(described.summary.status, ExecutionStatus::Completed);
    assert_eq!(counts(&described), (250, 0, 0));
    assert_eq!(described.progress.matched, Some(250));
    for number in [0, 100, 249] {
        let events = history(&runtime, &format!("c{number}")).await;
        assert_eq!(signals_of(&events), ["hello"]);
    }
    assert!(signals_of(&history(&runtime, "other").await).is_empty());

    let again = runtime.start_batch(batch(word())).await.expect("it was there");
    assert!(!again.started);
}

#[tokio::test]
async fn what_was_started_after_the_batch_is_not_in_it() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_collectors(&runtime, 3).await;
    let reset = BatchOperation::Reset {
        point: BatchResetPoint::First,
        reapply: BatchReapply::All,
        module: None,
    };
    // Each reset starts a run that matches.
    started(&runtime, batch(reset)).await;
    assert_eq!(counts(&ended(&runtime).await), (3, 0, 0));
    assert_eq!(count(&runtime, ExecutionStatus::Running).await, 3);
    assert_eq!(count(&runtime, ExecutionStatus::Terminated).await, 3);
}

#[tokio::test]
async fn each_run_of_one_workflow_id_has_its_turn() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    for _ in 0..3 {
        start_collectors(&runtime, 1).await;
        runtime.terminate_run(&run_ref("c0"), String::new()).await.expect("it is open");
    }
    let reset = BatchOperation::Reset {
        point: BatchResetPoint::First,
        reapply: BatchReapply::All,
        module: None,
    };
    started(&runtime, batch(reset)).await;
    assert_eq!(counts(&ended(&runtime).await), (3, 0, 0));
    assert_eq!(count(&runtime, ExecutionStatus::Running).await, 1, "the last of them");
    assert_eq!(count(&runtime, ExecutionStatus::Terminated).await, 3 + 2);
}

#[tokio::test]
async fn slow_batches_keep_nobody_waiting() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_collectors(&runtime, 3).await;
    for number in 0..2 {
        let request = request("teller", &format!("t{number}"), "");
        runtime.start_run(request).await.expect("started");
    }
    // More than there are places for activities.
    for number in 0..300 {
        let slow = StartBatchRequest {
            batch_id: Some(BatchId::new(format!("slow {number}")).expect("valid")),
            filter: "WorkflowType = 'teller'".to_owned(),
            runs_per_second: 0.1,
            ..batch(BatchOperation::Retry)
        };
        started(&runtime, slow).await;
    }
    started(&runtime, batch(word())).await;
    assert_eq!(counts(&ended(&runtime).await), (3, 0, 0));
}

#[tokio::test]
async fn each_operation_does_what_it_is_called() {
    for (operation, status) in [
        (BatchOperation::Cancel, ExecutionStatus::Canceled),
        (BatchOperation::Terminate, ExecutionStatus::Terminated),
        (word(), ExecutionStatus::Completed),
    ] {
        let runtime = start(memory(), &ScriptedHost::new()).await;
        start_collectors(&runtime, 5).await;
        started(&runtime, batch(operation.clone())).await;
        assert_eq!(counts(&ended(&runtime).await), (5, 0, 0), "{operation:?}");
        if operation != BatchOperation::Cancel {
            eventually_all(&runtime, status, 5).await;
        }
        // Nothing is open to be told again.
        let again = StartBatchRequest { request_id: None, ..batch(BatchOperation::Terminate) };
        if status != ExecutionStatus::Canceled {
            started(&runtime, again).await;
            assert_eq!(counts(&ended(&runtime).await), (0, 5, 0), "{operation:?}");
            let delete = StartBatchRequest { request_id: None, ..batch(BatchOperation::Delete) };
            started(&runtime, delete).await;
            assert_eq!(counts(&ended(&runtime).await), (5, 0, 0));
            assert_eq!(count(&runtime, status).await, 0);
        }
    }
}

async fn eventually_all(runtime: &Node, status: ExecutionStatus, expected: usize) {
    let all = async {
        while count(runtime, status).await != expected {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("they close");
}

#[tokio::test]
async fn those_that_refuse_are_listed_and_stop_nobody() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_collectors(&runtime, 3).await;
    // Only closed runs can be deleted.
    started(&runtime, batch(BatchOperation::Delete)).await;
    let described = ended(&runtime).await;
    assert_eq!(counts(&described), (0, 0, 3));
    let failure = &described.progress.failures[0];
    assert_eq!((failure.workflow_id.as_str(), &*failure.code), ("c2", "run_needed"));
}

#[tokio::test]
async fn it_pauses_goes_on_and_stops_when_it_is_told() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    start_collectors(&runtime, 30).await;
    let slow = StartBatchRequest { runs_per_second: 0.1, ..batch(word()) };
    started(&runtime, slow).await;
    runtime.pause_batch(&batch_id(), None).await.expect("told");
    let is_at_work = async || {
        let run = runtime.describe_run(&run_ref(&batch_run())).await.expect("it is open");
        !run.pending_activities.is_empty()
    };
    let paused = async {
        while is_at_work().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, paused).await.expect("it ends what it does");
    let before = described(&runtime).await;
    assert!(before.progress.paused && before.progress.done < 30, "{before:?}");
    runtime.resume_batch(&batch_id(), None).await.expect("told");
    assert!(!described(&runtime).await.progress.paused);
    runtime.stop_batch(&batch_id(), "wrong".to_owned(), None).await.expect("told");
    let after = ended(&runtime).await;
    assert_eq!(after.summary.status, ExecutionStatus::Canceled);
    let signalled = after.progress.done;
    assert!((before.progress.done..30).contains(&signalled), "{after:?}");
    let closed = runtime.pause_batch(&batch_id(), None).await.expect_err("it has ended");
    assert_eq!(closed.code, ErrorCode::RunClosed);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_recorded() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    for (request, about) in [
        (StartBatchRequest { filter: " ".to_owned(), ..batch(word()) }, "filter is empty"),
        (StartBatchRequest { filter: "Colour = 'red'".to_owned(), ..batch(word()) }, "Colour"),
        (StartBatchRequest { runs_per_second: 0.0, ..batch(word()) }, "runs_per_second"),
        (StartBatchRequest { runs_per_second: f64::NAN, ..batch(word()) }, "runs_per_second"),
        (StartBatchRequest { batch_id: None, ..batch(word()) }, "batch_id"),
    ] {
        let refused = runtime.start_batch(request).await.expect_err("it is wrong");
        assert!(refused.message.contains(about), "{refused}");
    }
    let unknown = runtime.describe_batch(&batch_id()).await.expect_err("none was started");
    assert_eq!(unknown.code, ErrorCode::BatchNotFound);
}

#[tokio::test]
async fn whatever_becomes_of_a_commit_each_run_gets_it_once() {
    for fault in commit_faults() {
        for number in 1..=12 {
            let calls = Calls::default();
            let armed = Arc::new(AtomicBool::new(false));
            let script = {
                let (calls, armed, fault) = (calls.clone(), armed.clone(), fault.clone());
                move |call: Call| {
                    let is_it = call.operation == Operation::Commit
                        && calls.count(Operation::Commit) == number
                        && armed.load(Ordering::SeqCst);
                    if is_it { fault.clone() } else { Fault::None }
                }
            };
            let runtime = start(scripted(memory(), &calls, script), &ScriptedHost::new()).await;
            start_collectors(&runtime, 4).await;
            calls.clear();
            armed.store(true, Ordering::SeqCst);
            let begun = runtime.start_batch(batch(word())).await;
            if let Err(error) = begun {
                assert_eq!(error.code, ErrorCode::Unavailable);
                runtime.start_batch(batch(word())).await.expect("a repeat");
            }
            let described = ended(&runtime).await;
            assert_eq!(described.summary.status, ExecutionStatus::Completed, "{fault:?} {number}");
            for number in 0..4 {
                let events = history(&runtime, &format!("c{number}")).await;
                assert_eq!(signals_of(&events), ["hello"], "{fault:?} {number}");
            }
        }
    }
}

#[tokio::test]
async fn a_node_that_dies_after_any_commit_does_it_with_each_run_once() {
    for dies_after in 1..=8 {
        let store = memory();
        let calls = Calls::default();
        let dead = Arc::new(AtomicBool::new(false));
        let armed = Arc::new(AtomicBool::new(false));
        let script = {
            let (calls, dead, armed) = (calls.clone(), dead.clone(), armed.clone());
            move |call: Call| {
                if dead.load(Ordering::SeqCst) {
                    return Fault::Unavailable;
                }
                let is_last = call.operation == Operation::Commit
                    && armed.load(Ordering::SeqCst)
                    && calls.count(Operation::Commit) == dies_after;
                if is_last {
                    dead.store(true, Ordering::SeqCst);
                    return Fault::DoneButUnavailable;
                }
                Fault::None
            }
        };
        let inner: Arc<dyn Store> = store.clone();
        let first = start(scripted(inner, &calls, script), &ScriptedHost::new()).await;
        start_collectors(&first, 4).await;
        calls.clear();
        armed.store(true, Ordering::SeqCst);
        let starting = first.start_batch(batch(word()));
        let _ = tokio::time::timeout(Duration::from_millis(200), starting).await;
        first.halt().await;

        let second = start(store, &ScriptedHost::new()).await;
        // It may have been lost with the node.
        second.start_batch(batch(word())).await.expect("a repeat");
        let described = ended(&second).await;
        assert_eq!(described.summary.status, ExecutionStatus::Completed, "{dies_after}");
        for number in 0..4 {
            let events = history(&second, &format!("c{number}")).await;
            assert_eq!(signals_of(&events), ["hello"], "commit {dies_after}");
        }
        let closed = history(&second, &batch_run()).await;
        let last = closed.last().map(|event| &event.attributes);
        assert!(matches!(last, Some(EventAttributes::WorkflowExecutionCompleted { .. })));
    }
}
