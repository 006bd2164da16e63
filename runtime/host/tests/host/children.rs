//! Compiled guests start children and tell other runs things, through the SDK.

use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::decide::{ChildOutcome, Input};
use dacapo_engine::guest::RunContext;
use dacapo_engine::transition::Effect;
use dacapo_host::Host;
use dacapo_model::event::EventAttributes;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::EventId;

use crate::guests::guest;
use crate::history::{Run, replay};
use crate::support::{config, host, json, run, text};

fn steps() -> (Host, Arc<RunContext>) {
    let guest = guest("steps");
    let host = host(config(), &[&guest]);
    (host, run(guest.digest, 1))
}

fn started(event: u64) -> Input {
    Input::ChildStarted { initiated_event_id: EventId(event) }
}

fn closed(event: u64, outcome: ChildOutcome) -> Input {
    Input::ChildClosed { initiated_event_id: EventId(event), outcome }
}

#[tokio::test]
async fn a_workflow_starts_its_children_together_and_replays_their_ends() {
    let (host, context) = steps();
    let mut run = Run::start(&host, &context, "sum_of_squares", "3").await.expect("starts");
    let starts = run.effects.iter().filter(|it| matches!(it, Effect::StartChild { .. })).count();
    assert_eq!(starts, 3);
    for (event, square) in [(3, "4"), (2, "1"), (4, "9")] {
        run.input(started(event)).await.expect("goes on");
        run.input(closed(event, ChildOutcome::Completed(json(square)))).await.expect("goes on");
    }
    assert_eq!(text(run.result()), "14");
    for events in 1..=run.history.len() {
        let new = replay(&host, &context, run.history[..events].to_vec()).await.expect("fits");
        let all_are_asked_for = events >= 4 && events != run.history.len() - 1;
        assert_eq!(new == 0, all_are_asked_for, "of {events} events, {new} commands are new");
    }
}

#[tokio::test]
async fn the_end_of_a_child_reaches_the_workflow_with_its_cause() {
    let (host, context) = steps();
    let declined = || Failure::new(FailureKind::Application, "Declined", "no");
    for (outcome, expected) in [
        (ChildOutcome::Failed(declined()), r#"["ChildWorkflowFailure","Declined"]"#),
        (ChildOutcome::Terminated(String::new()), r#"["ChildWorkflowFailure","Terminated"]"#),
        (ChildOutcome::TimedOut, r#"["ChildWorkflowFailure","WorkflowTimeout"]"#),
        (ChildOutcome::Canceled(String::new()), r#"["ChildWorkflowFailure","Cancelled"]"#),
    ] {
        let input = r#"{"workflow": "linger"}"#;
        let mut run = Run::start(&host, &context, "family", input).await.expect("starts");
        run.input(started(2)).await.expect("goes on");
        run.input(closed(2, outcome)).await.expect("goes on");
        assert_eq!(text(run.result()), expected);
        assert_eq!(replay(&host, &context, run.history).await, Ok(0));
    }
    let input = r#"{"workflow": "linger"}"#;
    let mut run = Run::start(&host, &context, "family", input).await.expect("starts");
    let failed = Input::ChildStartFailed { initiated_event_id: EventId(2), failure: declined() };
    run.input(failed).await.expect("goes on");
    assert_eq!(text(run.result()), r#"["ChildWorkflowFailure","Declined"]"#);
}

#[tokio::test]
async fn a_request_to_cancel_is_passed_on_to_the_child_and_its_end_is_waited_for() {
    let (host, context) = steps();
    let input = r#"{"workflow": "linger"}"#;
    let mut run = Run::start(&host, &context, "family", input).await.expect("starts");
    run.input(started(2)).await.expect("goes on");
    run.input(Input::RequestCancel { reason: "test".to_owned(), request_id: None })
        .await
        .expect("goes on");
    let asked = "RequestCancelExternalWorkflowExecutionInitiated";
    assert_eq!(run.event_types().last(), Some(&asked));
    run.input(closed(2, ChildOutcome::Canceled("done".to_owned()))).await.expect("goes on");
    assert_eq!(text(run.result()), r#"["ChildWorkflowFailure","Cancelled"]"#);
    assert_eq!(replay(&host, &context, run.history).await, Ok(0));
}

#[tokio::test]
async fn a_workflow_tells_other_runs_things_and_hears_what_came_of_it() {
    let (host, context) = steps();
    let input = r#"[{"to": "a", "word": 1}, {"to": "b"}]"#;
    let mut run = Run::start(&host, &context, "tell", input).await.expect("starts");
    let reached = |event: u64, outcome| Input::ExternalReached {
        initiated_event_id: EventId(event),
        outcome,
    };
    run.input(reached(2, Ok(()))).await.expect("goes on");
    let failure = Failure::new(FailureKind::Application, "RunNotFound", "no");
    run.input(reached(4, Err(failure))).await.expect("goes on");
    assert_eq!(text(run.result()), r#"[null,["RunNotFound"]]"#);
    assert_eq!(replay(&host, &context, run.history).await, Ok(0));
}

#[tokio::test]
async fn what_a_child_is_asked_to_be_is_recorded_and_fits_on_replay() {
    let (host, context) = steps();
    let input = r#"{"workflow": "linger", "run_timeout_millis": 50, "start_delay_millis": 7,
        "attempts": 3, "note": "mine"}"#;
    let mut run = Run::start(&host, &context, "family", input).await.expect("starts");
    let EventAttributes::StartChildWorkflowExecutionInitiated(child) = &run.history[1].attributes
    else {
        panic!("a child was to be started: {:?}", run.history[1]);
    };
    let options = &child.options;
    assert_eq!(options.run_timeout, Some(Duration::from_millis(50)));
    assert_eq!(options.start_delay, Duration::from_millis(7));
    assert_eq!(options.execution_timeout, None);
    assert_eq!(options.retry.as_ref().map(|policy| policy.maximum_attempts), Some(3));
    assert_eq!(options.attributes.memo["note"], "mine".into());
    assert_eq!(options.attributes.search_attributes.len(), 1);
    run.input(started(2)).await.expect("goes on");
    run.input(closed(2, ChildOutcome::TimedOut)).await.expect("goes on");
    assert_eq!(replay(&host, &context, run.history).await, Ok(0));

    let at_once = r#"{"workflow": "linger", "run_timeout_millis": 0}"#;
    let Err(blocked) = Run::start(&host, &context, "family", at_once).await else {
        panic!("no time at all is no timeout");
    };
    assert!(blocked.message.contains("`run-timeout` must be more than 0"), "{blocked:?}");
    let long = format!(r#"{{"workflow": "linger", "note": "{}"}}"#, "x".repeat(40_000));
    let Err(blocked) = Run::start(&host, &context, "family", &long).await else {
        panic!("a memo has a limit");
    };
    assert!(blocked.message.contains("the memo has"), "{blocked:?}");
}
