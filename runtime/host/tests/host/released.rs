//! Components of each released version of the WIT run and are replayed. They are built
//! from a source and a copy of the WIT that never change (`tests/guests/released-*`).

use std::sync::Arc;

use dacapo_engine::decide::Input;
use dacapo_engine::guest::{Asked, GuestHost as _, Offered, Unbounded};
use dacapo_model::event::EventAttributes;
use dacapo_model::ids::{OperationId, QueryName, SignalName, WorkflowId};
use dacapo_model::query::Query;
use dacapo_model::signal::Signal;

use crate::guests::guest;
use crate::history::{Run, replay};
use crate::support::{TestLink, config, host, json, run, task, text};

/// The package's versions, as their components are named.
const RELEASED: [&str; 1] = ["released_0_1_0"];

fn signal(name: &str) -> Input {
    let name = SignalName::new(name).expect("a valid name");
    Input::Signal(Signal { name, input: json("7"), request_id: None })
}

fn cancel() -> Input {
    Input::RequestCancel { reason: "enough".to_owned(), request_id: None }
}

fn returned(run: &Run, operation: u32, value: &str) -> Input {
    let mut activities = run.state.activities.iter();
    let of = activities.find(|(_, activity)| activity.operation_id == OperationId(operation));
    let (scheduled_event_id, activity) = of.expect("the activity is open");
    Input::ActivityReturned {
        scheduled_event_id: *scheduled_event_id,
        attempt: activity.attempt,
        outcome: Ok(json(value)),
    }
}

async fn asked(run: &mut Run, input: &str) -> String {
    match run.query("any", input).await {
        Asked::Answered(Ok(answer)) => text(&answer).to_owned(),
        other => panic!("not answered: {other:?}"),
    }
}

/// Plays each beginning of a history again.
async fn assert_replays(run: &Run, name: &str) {
    let guest = guest(name);
    let host = host(config(), &[&guest]);
    for events in 1..=run.history.len() {
        let replayed = replay(&host, &run.context, run.history[..events].to_vec()).await;
        assert!(replayed.is_ok(), "{name}, {events} events: {replayed:?}");
    }
    let all = replay(&host, &run.context, run.history.clone()).await;
    assert_eq!(all, Ok(0), "{name} asks for nothing new");
}

#[tokio::test]
async fn a_component_of_each_release_calls_each_function_and_is_replayed() {
    for name in RELEASED {
        let guest = guest(name);
        let host = host(config(), &[&guest]);
        let mut context = (*run(guest.digest, 1)).clone();
        context.workflow_id = WorkflowId::new("all").expect("a valid id");
        let mut run = Run::start(&host, &Arc::new(context), "all", "1").await.expect("starts");
        let observed = host.trace(run.context.clone(), Arc::new(Unbounded), run.history.clone());
        let position = observed.await.expect("it fits").backtrace;
        assert_eq!(position.as_deref(), Some("all.rs:57:9 look_around"), "as it has noted");
        run.input(returned(&run, 1, "2")).await.expect("goes on");
        let executed = run.state.activities.values().map(|it| it.operation_id.0).max();
        run.input(returned(&run, executed.expect("one"), "3")).await.expect("goes on");
        run.timer_fires().await.expect("goes on");
        for _ in 0..98 {
            if run.state.timers.is_empty() {
                break;
            }
            run.timer_fires().await.expect("goes on");
        }
        for name in ["named", "other"] {
            run.input(signal(name)).await.expect("goes on");
        }
        assert_eq!(asked(&mut run, "8").await, "8");
        assert!(matches!(run.offer("u1", "refused", "9").await, Offered::Rejected(_)));
        assert!(matches!(run.offer("u2", "taken", "9").await, Offered::Accepted(_)));
        run.input(cancel()).await.expect("goes on");
        assert_eq!(asked(&mut run, "8").await, "8", "also with a deadline");
        run.input(signal("late")).await.expect("goes on");
        run.timer_fires().await.expect("goes on");
        let told = text(run.result());
        for part in [
            "wait 2; execute 3; signal 7",
            "signal other 7",
            "update u2; cancel enough",
            "signal late 7; the deadline has passed",
        ] {
            assert!(told.contains(part), "{name}: {part} is not in {told}");
        }
        assert_replays(&run, name).await;

        let query = Query { name: QueryName::new("any").expect("valid"), input: json("5") };
        let history = run.history.clone();
        let asked = host.query_closed(run.context, Arc::new(Unbounded), history, query).await;
        assert_eq!(asked, Asked::Answered(Ok(json("5"))));
    }
}

#[tokio::test]
async fn a_component_of_each_release_continues_as_new_and_runs_activities() {
    for name in RELEASED {
        let guest = guest(name);
        let host = host(config(), &[&guest]);
        let context = run(guest.digest, 1);
        let run = Run::start(&host, &context, "continued", "1").await.expect("starts");
        let last = run.history.last().map(|event| event.attributes.type_name());
        assert_eq!(last, Some("WorkflowExecutionContinuedAsNew"));
        for (activity, result) in [("echo", "4"), ("later", "the-token")] {
            let task = task(guest.digest, activity, "4");
            let done = host.run_activity(task, Arc::new(TestLink::default())).await;
            assert_eq!(done.as_ref().map(text), Ok(result), "{name}");
        }
    }
}

#[tokio::test]
async fn a_scheduler_that_sleeps_in_one_poll_is_woken_by_timers_and_by_all_that_is_delivered() {
    for name in RELEASED {
        let guest = guest(name);
        let host = host(config(), &[&guest]);
        let context = run(guest.digest, 1);
        let mut run = Run::start(&host, &context, "scheduler", "1").await.expect("starts");
        let second = std::time::Duration::from_secs(1);
        run.wait(second * 3);
        run.input(signal("a")).await.expect("goes on");
        assert_eq!(asked(&mut run, "0").await, "\"a at 3\"", "during a sleep");
        assert!(matches!(run.offer("u1", "refused", "9").await, Offered::Rejected(_)));
        run.timer_fires().await.expect("goes on");
        assert_eq!(asked(&mut run, "0").await, "\"a at 3; slept at 10\"");
        run.wait(second);
        assert!(matches!(run.offer("u2", "taken", "9").await, Offered::Accepted(_)));
        run.timer_fires().await.expect("goes on");
        run.wait(second);
        run.input(signal("b")).await.expect("goes on");
        run.input(cancel()).await.expect("goes on");
        assert_eq!(
            text(run.result()),
            "\"a at 3; slept at 10; update at 11; slept at 20; b at 21; cancelled at 21\""
        );
        let timers = run
            .history
            .iter()
            .filter(|event| matches!(event.attributes, EventAttributes::TimerStarted { .. }));
        assert_eq!(timers.count(), 2, "one for each sleep, whatever came meanwhile");
        assert!(!run.event_types().contains(&"TimerCanceled"));
        assert_replays(&run, name).await;
    }
}
