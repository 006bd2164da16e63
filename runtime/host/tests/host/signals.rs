//! Signals reach compiled guests, through the SDK and without it.

use std::sync::Arc;

use dacapo_engine::decide::Input;
use dacapo_engine::guest::RunContext;
use dacapo_engine::transition::Effect;
use dacapo_host::Host;
use dacapo_model::ids::{EventId, SignalName};
use dacapo_model::signal::Signal;

use crate::guests::guest;
use crate::history::{Run, replay};
use crate::support::{config, host, json, run, text};

fn steps() -> (Host, Arc<RunContext>) {
    let guest = guest("steps");
    let host = host(config(), &[&guest]);
    (host, run(guest.digest, 1))
}

fn named(name: &str, input: &str) -> Signal {
    let name = SignalName::new(name).expect("a valid name");
    Signal { name, input: json(input), request_id: None }
}

fn word(input: &str) -> Signal {
    named("word", input)
}

#[tokio::test]
async fn a_workflow_gets_signals_in_order_and_replays_them() {
    let (host, context) = steps();
    let mut run =
        Run::start(&host, &context, "await_signals", r#"{"count": 3}"#).await.expect("starts");
    for input in ["1", "\"two\"", "{\"three\":3}"] {
        run.input(Input::Signal(named("other", "0"))).await.expect("goes on");
        run.input(Input::Signal(word(input))).await.expect("goes on");
    }
    assert_eq!(text(run.result()), r#"[1,"two",{"three":3}]"#);
    for events in 1..=run.history.len() - 1 {
        let new = replay(&host, &context, run.history[..events].to_vec()).await;
        let expected = usize::from(events == run.history.len() - 1);
        assert_eq!(new, Ok(expected), "of {events} events");
    }
    assert_eq!(replay(&host, &context, run.history).await, Ok(0));
}

#[tokio::test]
async fn signals_that_come_before_the_workflow_waits_for_them_are_kept() {
    let (host, context) = steps();
    let input = r#"{"count": 2, "pause_millis": 1000}"#;
    let mut run = Run::start(&host, &context, "await_signals", input).await.expect("starts");
    for input in ["1", "2"] {
        run.input(Input::Signal(word(input))).await.expect("goes on");
    }
    run.timer_fires().await.expect("goes on");
    assert_eq!(text(run.result()), "[1,2]");
    assert_eq!(replay(&host, &context, run.history).await, Ok(0));
}

#[tokio::test]
async fn a_run_may_begin_with_signals() {
    let (host, context) = steps();
    let input = r#"{"count": 3, "pause_millis": 1000}"#;
    let first = [word("1"), word("2")];
    let mut run = Run::start_with_signals(&host, &context, "await_signals", input, first)
        .await
        .expect("starts");
    assert_eq!(
        run.event_types()[1..4],
        ["WorkflowExecutionSignaled", "WorkflowExecutionSignaled", "TimerStarted"]
    );
    run.timer_fires().await.expect("goes on");
    run.input(Input::Signal(word("3"))).await.expect("goes on");
    assert_eq!(text(run.result()), "[1,2,3]");
    assert_eq!(replay(&host, &context, run.history).await, Ok(0));
}

#[tokio::test]
async fn a_run_that_continues_as_new_passes_on_what_its_code_has_not_taken() {
    let (host, context) = steps();
    let input = r#"{"count": 9, "per_run": 2}"#;
    let mut run = Run::start(&host, &context, "relay_signals", input).await.expect("starts");
    // Events 2 and 3 are taken; the others come while it does its activity.
    for input in ["1", "2", "3", "4"] {
        run.input(Input::Signal(word(input))).await.expect("goes on");
    }
    run.input(Input::Signal(named("other", "5"))).await.expect("goes on");
    run.activity_returns(Ok(json("null"))).await.expect("goes on");
    let [Effect::StartNext(next)] = &run.effects[..] else {
        panic!("not continued: {:?}", run.effects);
    };
    assert_eq!(text(&next.started.input), r#"{"count":9,"per_run":2,"taken":[1,2]}"#);
    assert_eq!(next.unread_signals[..], [5, 6, 7].map(EventId));
    assert_eq!(replay(&host, &context, run.history).await, Ok(0));
}

#[tokio::test]
async fn code_without_the_sdk_waits_for_a_name_and_gets_the_others_by_next() {
    let (host, context) = steps();
    let mut run = Run::start(&host, &context, "receive_signal", "null").await.expect("starts");
    for signal in [named("a", "1"), named("b", "2")] {
        run.input(Input::Signal(signal)).await.expect("goes on");
    }
    assert_eq!(text(run.result()), r#"["2","1"]"#);
    assert_eq!(replay(&host, &context, run.history).await, Ok(0));
}

#[tokio::test]
async fn a_request_to_cancel_ends_the_wait_for_a_signal() {
    let (host, context) = steps();
    for (workflow, end) in [
        ("await_signals", "WorkflowExecutionCanceled"),
        ("receive_signal", "WorkflowExecutionFailed"),
    ] {
        let mut run =
            Run::start(&host, &context, workflow, r#"{"count": 1}"#).await.expect("starts");
        run.input(Input::RequestCancel { reason: "test".to_owned(), request_id: None })
            .await
            .expect("goes on");
        assert_eq!(run.event_types().last(), Some(&end), "{workflow}");
    }
}
