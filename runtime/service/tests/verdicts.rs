//! What callers are told when a commit has no verdict, or one that it should not
//! have had.

mod support;

use std::sync::Arc;

use dacapo_model::execution::ExecutionStatus;
use dacapo_store::execution::ExecutionFilter;
use dacapo_store::faulty::{Call, Fault, Operation};
use support::guests::ScriptedHost;
use support::*;

/// A store whose n-th commit meets a fault.
fn failing_at(number: u64, fault: &Fault) -> Arc<dyn dacapo_store::Store> {
    let fault = fault.clone();
    scripted(memory(), &Calls::default(), move |call: Call| {
        let hit = call.operation == Operation::Commit && call.number == number;
        if hit { fault.clone() } else { Fault::None }
    })
}

#[tokio::test]
async fn a_start_whose_commit_has_no_verdict_is_started_and_runs() {
    for fault in commit_faults() {
        let runtime = start(failing_at(1, &fault), &ScriptedHost::new()).await;
        // Without a request id: nothing else can tell that it is a repeat.
        let started = runtime.start_run(request("sequential", "w", "2")).await;
        let started = started.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert!(started.started, "{fault:?}");
        let result = result(&runtime, "w").await;
        assert_eq!((result.run_id, result.status), (started.run_id, ExecutionStatus::Completed));
        let runs = runtime.list_runs(&ExecutionFilter::default(), None, 10).await;
        assert_eq!(runs.expect("listed").executions.len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_replacement_whose_commit_has_no_verdict_is_made_once() {
    for fault in commit_faults() {
        let runtime = start(failing_at(2, &fault), &ScriptedHost::new()).await;
        let first = runtime.start_run(request("collect", "w", "9")).await.expect("started").run_id;
        let mut replacing = request("collect", "w", "1");
        replacing.conflict_policy =
            Some(dacapo_model::execution::IdConflictPolicy::TerminateExisting);
        let second = runtime.start_run(replacing).await;
        let second = second.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert!(second.started && second.run_id != first, "{fault:?}");
        runtime.signal_run(&run_ref("w"), signal("word")).await.expect("it is open");
        let result = result(&runtime, "w").await;
        assert_eq!((result.run_id, completed_with(&result)), (second.run_id, "word".to_owned()));
        let runs = runtime.list_runs(&ExecutionFilter::default(), None, 10).await;
        assert_eq!(runs.expect("listed").executions.len(), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn each_input_of_a_batch_has_the_verdict_of_the_commit_that_was_done() {
    for fault in commit_faults() {
        let runtime = start(failing_at(2, &fault), &ScriptedHost::new()).await;
        let run = run_ref("w");
        runtime.start_run(request("forever", "w", "")).await.expect("started");
        // All are in the mailbox before the run looks: they share a transition.
        let (first, terminated, cancelled, again) = futures::join!(
            runtime.signal_run(&run, signal("first")),
            runtime.terminate_run(&run, "enough".to_owned()),
            runtime.request_cancel(&run, "too late".to_owned(), None),
            runtime.terminate_run(&run, "too late".to_owned()),
        );
        first.expect("recorded");
        terminated.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        for refused in [cancelled.map(drop), again.map(drop)] {
            let refused = refused.expect_err("the run was closed by then");
            assert_eq!(refused.code.as_str(), "run_closed", "{fault:?}");
        }
    }
}

#[tokio::test]
async fn what_was_done_without_an_event_is_acknowledged() {
    for fault in commit_faults() {
        let host = ScriptedHost::new();
        // The second: the first blocks the run.
        let runtime = start(failing_at(2, &fault), &host).await;
        runtime.start_run(request("faulty", "b", "")).await.expect("started");
        until_status(&runtime, "b", ExecutionStatus::Blocked).await;
        *host.faulty.lock() = false;
        let retried = runtime.retry_run(&run_ref("b")).await;
        retried.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        until_status(&runtime, "b", ExecutionStatus::Running).await;
    }
}
