//! What those are told who wait for a run, or ask it something in the moment in which it
//! closes.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{EventId, QueryName, UpdateId, UpdateName};
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_model::update::Update;
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{
    QueryOutcome, QueryResult, RejectIf, StartOptions, StartRequest, UpdateWait, WaitFor,
};
use dacapo_store::faulty::{Call, Fault, Operation};
use support::guests::ScriptedHost;
use support::*;
use tokio::sync::Semaphore;

async fn ask(runtime: &Node, workflow_id: &str) -> Result<QueryResult, ServiceError> {
    let query = Query { name: QueryName::new("seen").expect("valid"), input: Payload::default() };
    runtime.query_run(&run_ref(workflow_id), query, RejectIf::None).await
}

/// Waits until the node has so many more things in hand than before.
async fn in_hand(runtime: &Node, count: usize) {
    let reached = async {
        while runtime.in_hand() < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("it comes to the node");
}

/// However slowly the store answers.
#[tokio::test]
async fn an_answer_that_says_closed_has_the_outcome() {
    let (host, calls, gate) = (ScriptedHost::new(), Calls::default(), Arc::new(Semaphore::new(0)));
    let script_gate = gate.clone();
    let store = scripted(memory(), &calls, move |call: Call| match call.operation {
        Operation::FindExecution => Fault::Delayed(script_gate.clone()),
        _ => Fault::None,
    });
    let runtime = start(store, &host).await;
    runtime.start_run(request("gated", "g", "1")).await.expect("started");
    let run = run_ref("g");
    let mut follower = runtime.follow_history(&run, EventId::FIRST).await.expect("a run");
    let (answer, ()) = futures::join!(runtime.run_result(&run, Duration::ZERO), async {
        host.gate.add_permits(1);
        while follower.next().await.expect("readable").is_some() {}
        gate.add_permits(Semaphore::MAX_PERMITS / 2);
    });
    let answer = answer.expect("there is a run");
    assert_eq!(answer.closing.is_some(), !answer.status.is_open(), "{answer:?}");
}

#[tokio::test]
async fn who_was_told_that_a_run_is_closed_finds_it_closed() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    for number in 0..100 {
        let id = format!("f-{number}");
        runtime.start_run(request("forever", &id, "")).await.expect("started");
        runtime.terminate_run(&run_ref(&id), "enough".to_owned()).await.expect("terminated");
        let result = runtime.run_result(&run_ref(&id), Duration::ZERO).await.expect("a run");
        assert_eq!(result.status, ExecutionStatus::Terminated);
        assert!(result.closing.is_some(), "it has its outcome: {result:?}");
        let described = runtime.describe_run(&run_ref(&id)).await.expect("described");
        assert_eq!(described.execution.status, ExecutionStatus::Terminated);
    }
}

#[tokio::test]
async fn a_run_that_was_blocked_before_a_restart_keeps_nobody_waiting() {
    let (host, store) = (ScriptedHost::new(), memory());
    let first = start(store.clone(), &host).await;
    first.start_run(request("faulty", "b", "")).await.expect("started");
    until_status(&first, "b", ExecutionStatus::Blocked).await;
    first.shutdown().await;

    let second = start(store, &host).await;
    let run = run_ref("b");
    let answer = tokio::time::timeout(PATIENCE / 2, second.run_result(&run, PATIENCE)).await;
    let answer = answer.expect("it is known to be blocked").expect("there is a run");
    assert_eq!((answer.status, answer.closing), (ExecutionStatus::Blocked, None));
    // And once it was tried again, it is known not to be.
    *host.faulty.lock() = false;
    second.retry_run(&run).await.expect("tried again");
    let answer = second.run_result(&run, Duration::ZERO).await.expect("there is a run");
    assert_eq!(answer.status, ExecutionStatus::Running);
}

/// Both are in the mailbox when the actor looks: one batch.
#[tokio::test]
async fn a_question_behind_the_end_of_its_run_is_answered_by_a_closed_run() {
    let (host, calls, gate) = (ScriptedHost::new(), Calls::default(), Arc::new(Semaphore::new(0)));
    let script_gate = gate.clone();
    let store = scripted(memory(), &calls, move |call: Call| {
        // The start, and then what keeps the actor busy.
        let is_it = call.operation == Operation::Commit && call.number == 2;
        if is_it { Fault::Delayed(script_gate.clone()) } else { Fault::None }
    });
    let runtime = start(store, &host).await;
    runtime.start_run(request("counter", "c", "1")).await.expect("started");
    runtime.in_hand_at_most(0).await;
    let add = Update {
        id: UpdateId::new("u").expect("valid"),
        name: UpdateName::new("add").expect("valid"),
        input: Payload::new("2"),
    };
    let run = run_ref("c");
    let updating =
        runtime.update_run(&run, add, UpdateWait { wait_for: WaitFor::Completed, wait: PATIENCE });
    let ending = async {
        in_hand(&runtime, 1).await;
        let before = runtime.in_hand();
        let terminating = runtime.terminate_run(&run, "enough".to_owned());
        let asking = async {
            in_hand(&runtime, before + 1).await;
            ask(&runtime, "c").await
        };
        let describing = async {
            in_hand(&runtime, before + 2).await;
            let describing = runtime.describe_run(&run);
            let opening = async {
                in_hand(&runtime, before + 3).await;
                gate.add_permits(1);
            };
            futures::join!(describing, opening).0
        };
        futures::join!(terminating, asking, describing)
    };
    let (_updated, (terminated, answer, described)) = futures::join!(updating, ending);
    terminated.expect("terminated");
    let QueryOutcome::Answered(answer) = answer.expect("its code waits to this day").outcome else {
        panic!("it was asked");
    };
    assert_eq!(answer, Payload::new("1"), "it has seen the update");
    let described = described.expect("described");
    assert_eq!(described.execution.status, ExecutionStatus::Terminated);
    assert!(described.execution.closed_at.is_some());
}

#[tokio::test]
async fn code_that_never_ran_is_not_asked() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let start_delay = Some(Duration::from_secs(3_600));
    let options = StartOptions { start_delay, ..StartOptions::default() };
    let request = StartRequest { options, ..request("counter", "c", "1") };
    runtime.start_run(request).await.expect("started");
    runtime.terminate_run(&run_ref("c"), "enough".to_owned()).await.expect("terminated");
    let refused = ask(&runtime, "c").await.expect_err("nobody can answer");
    assert_eq!(refused.code.as_str(), "query_not_served");
    assert!(refused.message.contains("before its code began"), "{refused:?}");
    assert_eq!(host.launches.load(Ordering::SeqCst), 0);
}
