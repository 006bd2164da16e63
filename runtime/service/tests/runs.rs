//! What runs do, and what it costs.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dacapo_model::event::EventAttributes;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_service::Runtime;
use dacapo_service::clock::{Clock, SystemClock};
use dacapo_service::config::ServiceConfig;
use dacapo_store::faulty::{Fault, Operation};
use futures::future::BoxFuture;
use support::guests::ScriptedHost;
use support::*;
use tokio::time::Instant;

#[tokio::test]
async fn ten_steps_cost_eleven_commits_and_no_read() {
    let (host, calls) = (ScriptedHost::new(), Calls::default());
    let runtime = start(scripted(memory(), &calls, |_| Fault::None), &host).await;
    calls.clear();
    let request = request("sequential", "ten", "10");
    let (_, result) = runtime.start_run_and_wait(request, PATIENCE).await.expect("started");
    assert_eq!(result.expect("readable").status, ExecutionStatus::Completed);
    assert_eq!(calls.count(Operation::Commit), 11);
    assert_eq!(calls.reads(), 0);
    assert_eq!(host.launches.load(Ordering::SeqCst), 1);
    assert_eq!(
        event_types(&runtime, "ten").await[..4],
        [
            "WorkflowExecutionStarted",
            "ActivityTaskScheduled",
            "ActivityTaskCompleted",
            "ActivityTaskScheduled"
        ]
    );
}

#[tokio::test]
async fn a_failing_activity_is_tried_again_and_leaves_one_outcome_in_history() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    runtime.start_run(request("flaky", "f", "1")).await.expect("started");
    assert_eq!(result(&runtime, "f").await.status, ExecutionStatus::Completed);
    assert_eq!(host.attempts_of("flaky", "1"), 3);
    assert_eq!(
        event_types(&runtime, "f").await,
        [
            "WorkflowExecutionStarted",
            "ActivityTaskScheduled",
            "ActivityTaskCompleted",
            "WorkflowExecutionCompleted"
        ]
    );
}

#[tokio::test]
async fn a_cancelled_run_ends_as_it_decides() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    runtime.start_run(request("forever", "c", "")).await.expect("started");
    for _ in 0..2 {
        let asked = runtime.request_cancel(&run_ref("c"), "enough".to_owned(), None).await;
        // The second request may find the run closed already.
        assert!(asked.is_ok() || runtime.describe_run(&run_ref("c")).await.is_ok());
    }
    let result = result(&runtime, "c").await;
    assert_eq!(result.status, ExecutionStatus::Canceled);
}

#[tokio::test]
async fn a_terminated_run_stops_its_activities_and_takes_nothing_more() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    runtime.start_run(request("gated", "t", "1")).await.expect("started");
    runtime.terminate_run(&run_ref("t"), "enough".to_owned()).await.expect("terminated");
    assert_eq!(result(&runtime, "t").await.status, ExecutionStatus::Terminated);
    let again = runtime.terminate_run(&run_ref("t"), "again".to_owned()).await;
    assert_eq!(again.expect_err("it is closed").code.as_str(), "run_closed");
    host.gate.add_permits(1);
    assert_eq!(event_types(&runtime, "t").await.last(), Some(&"WorkflowExecutionTerminated"));
}

#[tokio::test]
async fn a_faulty_guest_blocks_its_run_until_it_is_fixed() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    runtime.start_run(request("faulty", "b", "")).await.expect("started");
    until_status(&runtime, "b", ExecutionStatus::Blocked).await;
    let description = runtime.describe_run(&run_ref("b")).await.expect("described");
    assert_eq!(description.execution.blocked.expect("a report").message, "this guest is faulty");
    // A request that arrives meanwhile is recorded, and delivered later.
    runtime.request_cancel(&run_ref("b"), "bye".to_owned(), None).await.expect("recorded");

    *host.faulty.lock() = false;
    runtime.retry_run(&run_ref("b")).await.expect("tried again");
    assert_eq!(result(&runtime, "b").await.status, ExecutionStatus::Canceled);
}

#[tokio::test]
async fn a_run_continues_as_new_under_the_same_workflow_id() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let first = runtime.start_run(request("again", "a", "5")).await.expect("started");
    let last = async {
        loop {
            let latest = runtime.run_result(&run_ref("a"), PATIENCE).await.expect("a run");
            if latest.status == ExecutionStatus::Completed {
                return latest;
            }
        }
    };
    let last = tokio::time::timeout(PATIENCE, last).await.expect("the last run closes");
    assert_ne!(last.run_id, first.run_id);
    let filter = dacapo_store::execution::ExecutionFilter::default();
    let runs = runtime.list_runs(&filter, None, 100).await.expect("listed");
    assert_eq!(runs.executions.len(), 6);
}

#[tokio::test]
async fn many_runs_share_few_instances() {
    let host = ScriptedHost::with_room_for(2);
    let runtime = start(memory(), &host).await;
    for number in 0..20 {
        let request = request("gated", &format!("run-{number}"), "2");
        runtime.start_run(request).await.expect("started");
    }
    host.gate.add_permits(40);
    for number in 0..20 {
        let result = result(&runtime, &format!("run-{number}")).await;
        assert_eq!(result.status, ExecutionStatus::Completed);
    }
    assert!(host.live_max.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn instances_that_are_too_large_together_leave_memory() {
    const GIB: usize = 1 << 30;
    let host = ScriptedHost::new();
    host.instance_bytes.store(GIB, Ordering::SeqCst);
    let config =
        ServiceConfig { instances_bytes_max: 2 * GIB + GIB / 2, ..ServiceConfig::default() };
    let runtime = start_with(memory(), &host, config).await;
    for number in 0..10 {
        runtime.start_run(request("forever", &format!("f-{number}"), "")).await.expect("started");
    }
    let fits = async {
        while host.live.load(Ordering::SeqCst) > 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, fits).await.expect("the oldest leave");
    // A run without an instance is as alive as any other.
    for number in 0..10 {
        let run = run_ref(&format!("f-{number}"));
        runtime.request_cancel(&run, "enough".to_owned(), None).await.expect("recorded");
        let result = result(&runtime, &format!("f-{number}")).await;
        assert_eq!(result.status, ExecutionStatus::Canceled);
    }
}

#[tokio::test]
async fn an_idle_run_leaves_memory_and_wakes_for_its_timer() {
    let host = ScriptedHost::new();
    let config =
        ServiceConfig { idle_timeout: Duration::from_millis(1), ..ServiceConfig::default() };
    let runtime = start_with(memory(), &host, config).await;
    runtime.start_run(request("sleep", "s", "300")).await.expect("started");
    let result = result(&runtime, "s").await;
    let closing = result.closing.expect("closed");
    assert_eq!(
        closing.attributes,
        EventAttributes::WorkflowExecutionCompleted { result: Payload::from(b"awake".to_vec()) }
    );
    assert_eq!(host.launches.load(Ordering::SeqCst), 2, "it left memory and was replayed");
}

/// The clock of a node that starts an hour later.
struct LaterClock;

impl Clock for LaterClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().after(Duration::from_secs(3_600))
    }

    fn instant(&self) -> Instant {
        SystemClock.instant()
    }

    fn wait_until(&self, instant: Instant) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep_until(instant))
    }
}

#[tokio::test]
async fn a_run_whose_timer_is_overdue_when_a_node_starts_is_read_once() {
    let (host, calls) = (ScriptedHost::new(), Calls::default());
    let store = scripted(memory(), &calls, |_| Fault::None);
    let first = start(store.clone(), &host).await;
    first.start_run(request("sleep", "s", "600000")).await.expect("started");
    first.shutdown().await;

    calls.clear();
    let later = Runtime::start(store, host, Arc::new(LaterClock), ServiceConfig::default());
    let later = Node::new(later.await.expect("the runtime starts"));
    assert_eq!(result(&later, "s").await.status, ExecutionStatus::Completed);
    assert_eq!(calls.count(Operation::LoadHistories), 1);
    assert_eq!(calls.count(Operation::LoadHistory), 0);
}

#[tokio::test]
async fn a_stopping_node_finishes_attempts_and_refuses_new_work() {
    let (host, store) = (ScriptedHost::new(), memory());
    let runtime = start(store.clone(), &host).await;
    runtime.start_run(request("gated", "g", "2")).await.expect("started");
    until_event(&runtime, "g", "ActivityTaskScheduled").await;
    runtime.begin_shutdown();
    let refused = runtime.start_run(request("gated", "h", "1")).await;
    assert_eq!(refused.expect_err("it stops").code.as_str(), "unavailable");
    host.gate.add_permits(1);
    runtime.shutdown().await;

    // The first attempt was finished and committed; the second was left.
    host.gate.add_permits(1);
    let next = start(store, &host).await;
    assert_eq!(result(&next, "g").await.status, ExecutionStatus::Completed);
    assert_eq!(host.attempts_of("gated", "2"), 1);
    assert_eq!(host.attempts_of("gated", "1"), 1);
}
/// What begins while a node stops may not end: an attempt that may be made once would be
/// reported as lost although it never began.
#[tokio::test]
async fn a_stopping_node_begins_nothing_that_it_could_lose() {
    let (host, store) = (ScriptedHost::new(), memory());
    let runtime = start(store.clone(), &host).await;
    runtime.start_run(request("gated-once", "g", "2")).await.expect("started");
    until_event(&runtime, "g", "ActivityTaskStarted").await;
    runtime.begin_shutdown();
    host.gate.add_permits(1);
    runtime.shutdown().await;

    host.gate.add_permits(1);
    let next = start(store, &host).await;
    assert_eq!(result(&next, "g").await.status, ExecutionStatus::Completed);
    assert_eq!(host.attempts_of("gated-once", "2"), 1);
    assert_eq!(host.attempts_of("gated-once", "1"), 1);
}
