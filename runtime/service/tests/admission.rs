//! Starts of one moment in a namespace with a limit of open runs: exactly so many start, and
//! those that came first.

mod support;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dacapo_engine::decide::Reapply;
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::{ExecutionStatus, IdReusePolicy};
use dacapo_model::ids::RunId;
use dacapo_model::namespace::NamespaceChange;
use dacapo_model::queue_limits::Rate;
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{
    ExecutionFilter, ResetPoint, ResetRequest, RunRef, StartRequest, Started,
};
use dacapo_store::Store;
use dacapo_store::commit::{CommitUnit, ExecutionChange};
use dacapo_store::faulty::{Call, Fault, FaultyStore, Operation};
use futures::future::join_all;
use support::guests::ScriptedHost;
use support::*;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A node whose default namespace may have so many open runs.
async fn limited(store: Arc<dyn Store>, open_runs_max: u64) -> Node {
    let node = start(store, &ScriptedHost::new()).await;
    limit(&node, open_runs_max).await;
    node
}

async fn limit(node: &Node, open_runs_max: u64) {
    let open_runs_max = Some(NonZeroU64::new(open_runs_max));
    let change = NamespaceChange { open_runs_max, ..NamespaceChange::default() };
    node.runtime().change_namespace(&namespace(), &change).await.expect("changes it");
}

async fn open_runs(node: &Node) -> usize {
    let statuses = vec![ExecutionStatus::Running];
    let filter = ExecutionFilter { statuses, ..ExecutionFilter::default() };
    node.list_runs(&filter, None, 1_000).await.expect("lists").executions.len()
}

fn is_full(refused: &ServiceError) -> bool {
    refused.code == ErrorCode::NamespaceLimit && refused.details["limit"] == "open_runs_max"
}

async fn terminate(node: &Node, workflow_id: &str) {
    node.terminate_run(&run_ref(workflow_id), String::new()).await.expect("it is open");
}

type Starting = JoinHandle<Result<Started, ServiceError>>;

/// Begins a start, which looks for runs of its workflow id just before it asks for a place.
fn begin(node: &Node, workflow_id: &str) -> Starting {
    let reuse_policy = IdReusePolicy::RejectDuplicate;
    let (node, request) =
        (node.clone(), StartRequest { reuse_policy, ..request("forever", workflow_id, "") });
    tokio::spawn(async move { node.start_run(request).await })
}

/// Until so many starts have got so far.
async fn until_asked(calls: &Calls, starts: u64) {
    until(async || calls.count(Operation::FindExecution) >= starts).await;
}

/// Commits nothing before the semaphore gives a permit for it, and never what starts the run
/// `never`.
fn held(commits: &Arc<Semaphore>, calls: &Calls) -> Arc<dyn Store> {
    let starts_never = |unit: &CommitUnit| {
        unit.transitions.iter().any(|transition| match &transition.execution {
            ExecutionChange::Insert(new) => new.workflow_id.as_str() == "never",
            _ => false,
        })
    };
    let store = FaultyStore::transparent(memory());
    let (store, commits) = (store.refusing(starts_never), commits.clone());
    scripted(Arc::new(store), calls, move |call: Call| match call.operation {
        Operation::Commit => Fault::Delayed(commits.clone()),
        _ => Fault::None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_starts_at_once_exactly_as_many_start_as_there_are_places() {
    let node = limited(memory(), 10).await;
    for round in 0..5 {
        let starts = (0..200).map(|n| begin(&node, &format!("{round}-{n}")));
        let starts: Vec<_> = starts.collect();
        let answers = join_all(starts).await.into_iter().map(|it| it.expect("no panic"));
        let (started, refused): (Vec<_>, Vec<_>) = answers.partition(Result::is_ok);
        assert_eq!((started.len(), open_runs(&node).await), (10, 10), "round {round}");
        assert!(refused.into_iter().all(|it| is_full(&it.expect_err("refused"))));
        let started = started.into_iter().map(|it| it.expect("started").workflow_id);
        for workflow_id in started {
            terminate(&node, workflow_id.as_str()).await;
            result(&node, workflow_id.as_str()).await;
        }
    }
}

#[tokio::test]
async fn a_start_waits_for_one_before_it_that_may_come_to_nothing() {
    let (commits, calls) = (Arc::new(Semaphore::new(0)), Calls::default());
    let node = limited(held(&commits, &calls), 1).await;
    let never = begin(&node, "never");
    until(async || calls.count(Operation::Commit) == 1).await;
    let first = begin(&node, "first");
    until_asked(&calls, 2).await;
    let second = begin(&node, "second");
    until_asked(&calls, 3).await;
    commits.add_permits(1_000);
    let refused = never.await.expect("no panic").expect_err("it can't be stored");
    assert_eq!(refused.code, ErrorCode::NotStorable);
    first.await.expect("no panic").expect("it came first");
    let refused = second.await.expect("no panic").expect_err("the other has the place");
    assert!(is_full(&refused), "{refused}");
}

#[tokio::test]
async fn starts_whose_clients_go_away_leave_their_turns_to_the_next() {
    let (commits, calls) = (Arc::new(Semaphore::new(0)), Calls::default());
    let node = limited(held(&commits, &calls), 1).await;
    let never = begin(&node, "never");
    until(async || calls.count(Operation::Commit) == 1).await;
    let (mut going, mut staying) = (Vec::new(), Vec::new());
    for n in 0..20 {
        let start = begin(&node, &n.to_string());
        until_asked(&calls, n + 2).await;
        if n % 4 == 3 { staying.push(start) } else { going.push(start) }
    }
    for start in going {
        start.abort();
        assert!(start.await.expect_err("it waits").is_cancelled());
    }
    commits.add_permits(1_000);
    never.await.expect("no panic").expect_err("it can't be stored");
    let answers = join_all(staying).await.into_iter().map(|it| it.expect("no panic"));
    let started: Vec<_> = answers.map(|it| it.map(|it| it.workflow_id.to_string())).collect();
    assert_eq!(started[0].as_deref(), Ok("3"), "{started:?}");
    assert!(started[1..].iter().all(Result::is_err), "{started:?}");
    assert_eq!(open_runs(&node).await, 1);
}

#[tokio::test]
async fn a_higher_limit_is_for_those_who_wait_as_well() {
    let (commits, calls) = (Arc::new(Semaphore::new(0)), Calls::default());
    let host = ScriptedHost::new();
    let node = start(held(&commits, &calls), &host).await;
    limit(&node, 1).await;
    let first = begin(&node, "first");
    until_asked(&calls, 1).await;
    let second = begin(&node, "second");
    until_asked(&calls, 2).await;
    let launches = || host.launches.load(Ordering::SeqCst);
    until(async || launches() == 1).await;
    limit(&node, 2).await;
    until(async || launches() == 2).await;
    commits.add_permits(1_000);
    first.await.expect("no panic").expect("it came first");
    second.await.expect("no panic").expect("there are two places now");
}

fn reset() -> ResetRequest {
    ResetRequest {
        point: ResetPoint::First,
        reapply: Reapply::All,
        module: None,
        reason: "a mistake".to_owned(),
        request_id: None,
    }
}

fn exactly(workflow_id: &str, run_id: RunId) -> RunRef {
    RunRef { run_id: Some(run_id), ..run_ref(workflow_id) }
}

#[tokio::test]
async fn a_reset_of_a_closed_run_takes_a_place_and_one_of_an_open_run_its_place() {
    let node = limited(memory(), 1).await;
    let start = async |id: &str| node.start_run(request("forever", id, "")).await;
    let first = start("a").await.expect("starts").run_id;
    node.reset_run(&run_ref("a"), reset()).await.expect("it has the place of the other");
    assert_eq!(open_runs(&node).await, 1);
    terminate(&node, "a").await;
    result(&node, "a").await;
    start("b").await.expect("there is a place");

    let refused = node.reset_run(&exactly("a", first), reset()).await.expect_err("it is full");
    assert!(is_full(&refused), "{refused}");
    assert_eq!(open_runs(&node).await, 1);
    terminate(&node, "b").await;
    result(&node, "b").await;
    node.reset_run(&exactly("a", first), reset()).await.expect("there is a place");
    node.reset_run(&exactly("a", first), reset()).await.expect("it has the place of the other");
    assert!(is_full(&start("b").await.expect_err("the reset run has the place")));
}

#[tokio::test]
async fn resets_count_for_the_rate_of_starts() {
    let node = start(memory(), &ScriptedHost::new()).await;
    let start_rate = Some(Some(Rate::new(0.001, Some(3)).expect("valid")));
    let change = NamespaceChange { start_rate, ..NamespaceChange::default() };
    node.runtime().change_namespace(&namespace(), &change).await.expect("changes it");
    let first = node.start_run(request("forever", "w", "")).await.expect("starts").run_id;
    node.reset_run(&run_ref("w"), reset()).await.expect("the second");
    terminate(&node, "w").await;
    result(&node, "w").await;
    node.reset_run(&exactly("w", first), reset()).await.expect("the third");
    let refused = node.reset_run(&run_ref("w"), reset()).await.expect_err("too fast");
    assert_eq!(refused.code, ErrorCode::NamespaceLimit);
    assert_eq!(refused.details["limit"], "start_rate");
}

/// Its time goes on whenever nothing else does.
#[tokio::test(start_paused = true)]
async fn a_child_starts_within_a_second_of_a_place_however_long_it_has_waited() {
    let node = limited(memory(), 2).await;
    node.start_run(request("forever", "other", "")).await.expect("starts");
    node.start_run(request("family", "parent", "forever - count=1 id=child"))
        .await
        .expect("starts");
    tokio::time::sleep(Duration::from_secs(100)).await;
    let parent = node.describe_run(&run_ref("parent")).await.expect("a run");
    assert_eq!(parent.execution.status, ExecutionStatus::Running);
    assert!(!parent.pending_children[0].started, "there is no place");
    terminate(&node, "other").await;
    #[expect(clippy::disallowed_methods, reason = "a time that this test alone moves")]
    let terminated_at = Instant::now();
    until_event(&node, "parent", "ChildWorkflowExecutionStarted").await;
    assert!(terminated_at.elapsed() <= Duration::from_secs(1), "{:?}", terminated_at.elapsed());
}
