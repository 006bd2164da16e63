//! Compiled guests cancel parts of themselves, and wait for the end of those.

use std::sync::Arc;

use dacapo_engine::decide::{ChildOutcome, Input};
use dacapo_engine::guest::RunContext;
use dacapo_host::Host;
use dacapo_model::event::EventAttributes;
use dacapo_model::failure::{Failure, FailureKind};
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

fn cancelled() -> Failure {
    Failure::new(FailureKind::Cancelled, "Cancelled", "cleaned up")
}

fn cancel() -> Input {
    Input::RequestCancel { reason: "changed my mind".to_owned(), request_id: None }
}

async fn assert_replays(host: &Host, context: &Arc<RunContext>, run: &Run) {
    for events in 1..=run.history.len() {
        replay(host, context, run.history[..events].to_vec()).await.expect("every part fits");
    }
    assert_eq!(replay(host, context, run.history.clone()).await, Ok(0));
}

#[tokio::test]
async fn a_cancelled_run_compensates_in_a_shield_and_ends_as_cancelled() {
    let (host, context) = steps();
    let mut run = Run::start(&host, &context, "booking", r#""http://a""#).await.expect("starts");
    run.activity_returns(Ok(json(r#""done""#))).await.expect("goes on");
    run.input(cancel()).await.expect("goes on");
    run.activity_returns(Ok(json(r#""done""#))).await.expect("goes on");
    let expected = [
        "WorkflowExecutionCancelRequested",
        "TimerCanceled",
        "ActivityTaskScheduled",
        "ActivityTaskCompleted",
        "WorkflowExecutionCanceled",
    ];
    let types = run.event_types();
    assert_eq!(types[types.len() - expected.len()..], expected);
    assert_replays(&host, &context, &run).await;
}

#[tokio::test]
async fn a_cancelled_run_that_passes_on_the_cancellation_of_its_child_is_cancelled() {
    let (host, context) = steps();
    let mut run = Run::start(&host, &context, "passes_on", r#""http://a""#).await.expect("starts");
    let event = EventId(2);
    run.input(Input::ChildStarted { initiated_event_id: event }).await.expect("goes on");
    run.input(cancel()).await.expect("goes on");
    let outcome = ChildOutcome::Canceled("as asked".to_owned());
    run.input(Input::ChildClosed { initiated_event_id: event, outcome }).await.expect("goes on");
    let last = run.history.last().map(|event| event.attributes.clone());
    let details = "as asked".to_owned();
    assert_eq!(last, Some(EventAttributes::WorkflowExecutionCanceled { details }));

    let mut run = Run::start(&host, &context, "passes_on", r#""http://a""#).await.expect("starts");
    run.input(Input::ChildStarted { initiated_event_id: event }).await.expect("goes on");
    let outcome = ChildOutcome::Canceled("by others".to_owned());
    run.input(Input::ChildClosed { initiated_event_id: event, outcome }).await.expect("goes on");
    assert_eq!(
        run.event_types().last(),
        Some(&"WorkflowExecutionFailed"),
        "nobody asked the run itself"
    );
}

#[tokio::test]
async fn a_scope_asks_what_runs_in_it_and_the_run_goes_on() {
    let (host, context) = steps();
    let input = r#"{"url": "http://a", "workflow_id": "child"}"#;
    let mut run = Run::start(&host, &context, "scoped", input).await.expect("starts");
    assert_eq!(
        run.event_types()[1..],
        ["ActivityTaskScheduled", "StartChildWorkflowExecutionInitiated", "TimerStarted"]
    );
    let child = EventId(3);
    run.input(Input::ChildStarted { initiated_event_id: child }).await.expect("goes on");
    let name = SignalName::new("stop").expect("a valid name");
    let stop = Signal { name, input: json(r#""enough""#), request_id: None };
    run.input(Input::Signal(stop)).await.expect("goes on");
    assert_eq!(
        run.event_types()[6..],
        [
            "ActivityTaskCancelRequested",
            "RequestCancelExternalWorkflowExecutionInitiated",
            "TimerCanceled"
        ]
    );
    let outcome = ChildOutcome::Canceled("as asked".to_owned());
    run.input(Input::ChildClosed { initiated_event_id: child, outcome }).await.expect("goes on");
    run.activity_returns(Err(cancelled())).await.expect("goes on");
    assert_eq!(run.event_types().last(), Some(&"ActivityTaskScheduled"), "it goes on");
    run.activity_returns(Ok(json("null"))).await.expect("goes on");
    assert_eq!(text(run.result()), "[true,true,true]");
    assert_replays(&host, &context, &run).await;
}

#[tokio::test]
async fn a_limit_asks_and_waits_for_the_end() {
    let (host, context) = steps();
    let input = r#"{"url": "http://a", "millis": 500, "then": "clean_up"}"#;
    let elapsed = r#"["Elapsed","ActivityFailure","Cancelled"]"#;
    for (outcome, expected) in
        [(Err(cancelled()), elapsed), (Ok(json(r#""done anyway""#)), r#""done anyway""#)]
    {
        let mut run = Run::start(&host, &context, "limited", input).await.expect("starts");
        run.timer_fires().await.expect("goes on");
        assert_eq!(run.event_types().last(), Some(&"ActivityTaskCancelRequested"));
        run.activity_returns(outcome).await.expect("goes on");
        assert_eq!(text(run.result()), expected);
        assert_replays(&host, &context, &run).await;
    }
}
