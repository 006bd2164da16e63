//! What a node finds when it starts.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dacapo_model::event::EventAttributes;
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_service::config::ServiceConfig;
use dacapo_store::commit::RunTransition;
use dacapo_store::conformance::fixtures::{Owned, execution, start as start_of, type_name};
use dacapo_store::execution::ExecutionFilter;
use dacapo_store::faulty::{Call, Fault, FaultyStore, Operation};
use support::guests::ScriptedHost;
use support::*;
use tokio::sync::Semaphore;

/// Runs on one page of what recovery reads.
const PAGE: u128 = 200;

fn started(execution: &Execution, input: &str) -> RunTransition {
    let mut transition = start_of(execution);
    if let EventAttributes::WorkflowExecutionStarted(started) = &mut transition.events[0].attributes
    {
        started.input = Payload::new(input.to_owned());
    }
    transition
}

#[tokio::test]
async fn a_run_that_continues_as_new_between_two_pages_is_known_once() {
    let (inner, host) = (memory(), ScriptedHost::with_room_for(1_000));
    start(inner.clone(), &host).await.shutdown().await;
    // As many as fit on a page; the last of them continues as new twice.
    let mut runs: Vec<_> = (1..=PAGE).map(|n| execution(&format!("run-{n}"), n)).collect();
    runs.sort_by_key(|run| run.key);
    for run in &mut runs {
        run.module_digest = ModuleDigest::of(b"scripted");
        run.workflow_type = type_name("forever");
    }
    let last = runs.last_mut().expect("there are some");
    last.workflow_type = type_name("again");
    let workflow_id = last.workflow_id.as_str().to_owned();
    let owned = Owned::of(inner.clone()).await;
    owned.commit(runs.iter().map(|run| started(run, "2"))).await.expect("commits");

    let (next_page, second) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (page_held, second_held) = (next_page.clone(), second.clone());
    let store = FaultyStore::new(inner, move |call: Call| match (call.operation, call.number) {
        // Is read when the first continuation is stored, and before the second is.
        (Operation::OpenExecutions, 2) => Fault::Delayed(page_held.clone()),
        (Operation::Commit, 2) => Fault::Delayed(second_held.clone()),
        _ => Fault::None,
    });
    let store = store.after_commit(move |number| {
        if number == 1 {
            next_page.add_permits(1);
        }
    });
    let runtime = start(Arc::new(store), &host).await;
    second.add_permits(1);
    assert_eq!(result(&runtime, &workflow_id).await.status, ExecutionStatus::Completed);
    let runs = runtime.list_runs(&ExecutionFilter::default(), None, 1_000).await;
    let runs = runs.expect("listed").executions;
    let chain: Vec<_> = runs.iter().filter(|run| run.workflow_id.as_str() == workflow_id).collect();
    assert_eq!(chain.len(), 3);
    let each_once = usize::try_from(PAGE).expect("few") - 1 + chain.len();
    assert!(host.launches.load(Ordering::SeqCst) <= each_once, "none has two actors");
}

/// All of them would take more than there is.
#[tokio::test]
async fn runs_that_have_something_to_do_are_woken_as_there_is_room_for_them() {
    const RUNS: usize = 30;
    let (store, host) = (memory(), ScriptedHost::new());
    // Their starts are recorded, and nothing that their code does.
    *host.cold.lock() = true;
    let first = start(store.clone(), &host).await;
    for number in 0..RUNS {
        let started = request("sequential", &format!("s{number}"), "1");
        first.start_run(started).await.expect("started");
    }
    drop(first);

    let (calls, host) = (Calls::default(), ScriptedHost::new());
    *host.cold.lock() = true;
    let store = scripted(store, &calls, |_| Fault::None);
    // An eighth of it is room for two of them.
    let config = ServiceConfig { instances_bytes_max: 8 * 40 * 1024, ..ServiceConfig::default() };
    let runtime = start_with(store, &host, config).await;
    assert_eq!(calls.count(Operation::FindRuns), 0, "the others sleep");
    host.gate.add_permits(2 * RUNS);
    *host.cold.lock() = false;
    for number in 0..RUNS {
        let id = format!("s{number}");
        assert_eq!(result(&runtime, &id).await.status, ExecutionStatus::Completed);
        assert_eq!(event_types(&runtime, &id).await.len(), 4, "{id}: nothing is done twice");
    }
    assert!(calls.count(Operation::FindRuns) > 0, "they were read when it was their turn");
}

/// A scan may take long: there may be very many rows, and the database may be slow.
#[tokio::test]
async fn a_timer_is_not_held_up_by_the_reading_of_others() {
    let (host, inner) = (ScriptedHost::new(), memory());
    let first = start(inner.clone(), &host).await;
    let sleeping = (0..1_001).map(|number| {
        let (first, id) = (first.clone(), format!("asleep-{number}"));
        async move { first.start_run(request("sleep", &id, "50000")).await.expect("started") }
    });
    futures::future::join_all(sleeping).await;
    first.halt().await;

    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let store = scripted(inner, &Calls::default(), move |call: Call| match call {
        Call { operation: Operation::DueTimers, number: 2 } => Fault::Delayed(held.clone()),
        _ => Fault::None,
    });
    let second = start(store, &host).await;
    for id in ["brief", "another"] {
        second.start_run(request("sleep", id, "1")).await.expect("started");
        assert_eq!(result(&second, id).await.status, ExecutionStatus::Completed);
    }
    gate.add_permits(1);
}
