//! Replay does what was done before, and says where it does not.

use std::sync::Arc;

use dacapo_engine::decide::Input;
use dacapo_host::Host;
use dacapo_model::event::EventAttributes;
use dacapo_model::ids::OperationId;
use dacapo_model::payload::Payload;

use crate::guests::guest;
use crate::history::{Run, replay};
use crate::support::{config, host, json, run, text, type_name};

fn steps() -> (Host, Arc<dacapo_engine::guest::RunContext>) {
    let guest = guest("steps");
    let host = host(config(), &[&guest]);
    (host, run(guest.digest, 1))
}

#[tokio::test]
async fn sequential_steps_make_one_history_and_every_prefix_of_it_replays() {
    let (host, context) = steps();
    let mut run =
        Run::start(&host, &context, "sequential", r#"{"steps": 3}"#).await.expect("starts");
    // The boundaries between transitions, where a crash would leave the history.
    let mut boundaries = vec![run.history.len()];
    for _ in 0..3 {
        run.activity_returns(Ok(json("null"))).await.expect("goes on");
        boundaries.push(run.history.len());
    }
    assert_eq!(text(run.result()), "3");
    assert_eq!(
        run.event_types(),
        [
            "WorkflowExecutionStarted",
            "ActivityTaskScheduled",
            "ActivityTaskCompleted",
            "ActivityTaskScheduled",
            "ActivityTaskCompleted",
            "ActivityTaskScheduled",
            "ActivityTaskCompleted",
            "WorkflowExecutionCompleted",
        ]
    );
    for boundary in boundaries {
        let new = replay(&host, &context, run.history[..boundary].to_vec()).await;
        assert_eq!(new, Ok(0), "of {boundary} events");
    }
    // Results without what the guest did with them: it does the same again.
    for boundary in [3, 5, 7] {
        let new = replay(&host, &context, run.history[..boundary].to_vec()).await;
        assert_eq!(new, Ok(1), "of {boundary} events");
    }
}

#[tokio::test]
async fn a_replayed_instance_goes_on_as_the_live_one_would() {
    let (host, context) = steps();
    let mut first =
        Run::start(&host, &context, "sequential", r#"{"steps": 2}"#).await.expect("starts");
    first.activity_returns(Ok(json("null"))).await.expect("goes on");

    let mut instance = {
        use dacapo_engine::guest::{GuestHost as _, Unbounded};
        host.launch(Arc::clone(&context), Arc::new(Unbounded)).await.expect("launches")
    };
    let commands = instance.advance(first.history.clone()).await.expect("replays");
    assert!(commands.is_empty(), "{commands:?}");

    let before = first.history.len();
    first.activity_returns(Ok(json("null"))).await.expect("goes on");
    let completed = first.history[before].clone();
    let commands = instance.advance(vec![completed]).await.expect("goes on");
    assert_eq!(commands.len(), 1, "it closes the run: {commands:?}");
}

#[tokio::test]
async fn many_operations_may_wait_at_once_and_end_in_any_order() {
    let (host, context) = steps();
    let mut run = Run::start(&host, &context, "fan_out", r#"{"steps": 4}"#).await.expect("starts");
    let mut pending: Vec<_> = run
        .state
        .activities
        .iter()
        .map(|(event, activity)| (*event, activity.operation_id, activity.input.clone()))
        .collect();
    assert_eq!(pending.len(), 4);
    pending.reverse();
    for (scheduled_event_id, _, input) in pending {
        let number: u64 = text(&input).parse().expect("a number");
        let outcome = Ok(json(&(number * 2).to_string()));
        run.input(Input::ActivityReturned { scheduled_event_id, attempt: 1, outcome })
            .await
            .expect("goes on");
    }
    assert_eq!(text(run.result()), "[0,2,4,6]");
    assert_eq!(replay(&host, &context, run.history).await, Ok(0));
}

#[tokio::test]
async fn a_race_gives_up_the_slower_timer() {
    let (host, context) = steps();
    let mut run =
        Run::start(&host, &context, "race", r#"{"millis": [500, 20]}"#).await.expect("starts");
    run.timer_fires().await.expect("goes on");
    assert_eq!(text(run.result()), "1");
    assert!(run.event_types().contains(&"TimerCanceled"), "{:?}", run.event_types());
    assert_eq!(replay(&host, &context, run.history).await, Ok(0));
}

#[tokio::test]
async fn a_run_that_is_asked_to_cancel_cleans_up_and_ends_as_cancelled() {
    let (host, context) = steps();
    let mut run = Run::start(&host, &context, "cancellable", "null").await.expect("starts");
    run.input(Input::RequestCancel { reason: "test".to_owned(), request_id: None })
        .await
        .expect("goes on");
    run.activity_returns(Ok(json("null"))).await.expect("goes on");
    let last = run.history.last().map(|event| event.attributes.type_name());
    assert_eq!(last, Some("WorkflowExecutionCanceled"));
    assert_eq!(replay(&host, &context, run.history).await, Ok(0));
}

#[tokio::test]
async fn a_run_continues_as_new_with_what_it_passes_on() {
    let (host, context) = steps();
    let mut run =
        Run::start(&host, &context, "continue_n", r#"{"remaining": 2}"#).await.expect("starts");
    run.activity_returns(Ok(json("null"))).await.expect("goes on");
    match run.history.last().map(|event| &event.attributes) {
        Some(EventAttributes::WorkflowExecutionContinuedAsNew { workflow_type, input, .. }) => {
            assert_eq!(workflow_type.as_str(), "continue_n");
            assert_eq!(text(input), r#"{"remaining":1,"done":1}"#);
        }
        other => panic!("not continued: {other:?}"),
    }
}

#[tokio::test]
async fn a_payload_comes_back_byte_for_byte() {
    let (host, context) = steps();
    let input = r#"{ "a" :1.50,  "b":[ ] }"#;
    let run = Run::start(&host, &context, "echo", input).await.expect("starts");
    assert_eq!(text(run.result()), input);
}

#[tokio::test]
async fn the_run_knows_who_it_is() {
    let (host, context) = steps();
    let run = Run::start(&host, &context, "info", "null").await.expect("starts");
    let info: serde_json::Value = serde_json::from_str(text(run.result())).expect("JSON");
    assert_eq!(info["namespace"], "default");
    assert_eq!(info["workflow_id"], "order-17");
    assert_eq!(info["run_id"], context.run_id.to_string());
    assert_eq!(info["workflow_type"], "info");
    assert_eq!(info["module_digest"], context.module_digest.to_string());
}

#[tokio::test]
async fn code_that_does_not_fit_the_history_is_reported_with_the_event() {
    let (host, context) = steps();
    let mut run =
        Run::start(&host, &context, "sequential", r#"{"steps": 1}"#).await.expect("starts");
    run.activity_returns(Ok(json("null"))).await.expect("goes on");
    let mut history = run.history;
    let EventAttributes::ActivityTaskScheduled { activity_type, .. } = &mut history[1].attributes
    else {
        panic!("not the event that schedules: {history:?}");
    };
    *activity_type = type_name("another");
    let blocked = replay(&host, &context, history).await.expect_err("diverges");
    assert_eq!(blocked.code, "nondeterminism");
    let report = blocked.nondeterminism.expect("a report");
    assert_eq!(report.event_id, 2);
    assert!(report.recorded.contains("`another`"), "{report:?}");
    assert!(report.attempted.contains("`noop`"), "{report:?}");
}

#[tokio::test]
async fn code_that_ends_too_early_is_reported_with_the_event() {
    let (host, context) = steps();
    let run = Run::start(&host, &context, "echo", "1").await.expect("starts");
    let mut history = run.history;
    let closing = history.last_mut().expect("an event");
    closing.attributes = EventAttributes::TimerStarted {
        operation_id: OperationId(1),
        fire_at: crate::history::START,
    };
    let blocked = replay(&host, &context, history).await.expect_err("diverges");
    assert_eq!(blocked.code, "nondeterminism");
    assert_eq!(blocked.nondeterminism.expect("a report").event_id, 2);
}

#[tokio::test]
async fn a_faulted_instance_stays_faulted() {
    use dacapo_engine::guest::{GuestHost as _, Unbounded};
    let (host, context) = steps();
    let mut history = crate::history::only_started(&context, "sequential", r#"{"steps": 1}"#);
    history.push(dacapo_model::event::HistoryEvent {
        id: dacapo_model::ids::EventId(2),
        time: crate::history::START,
        attributes: EventAttributes::WorkflowExecutionCompleted { result: Payload::default() },
    });
    let mut instance = host.launch(context, Arc::new(Unbounded)).await.expect("launches");
    let first = instance.advance(history).await.expect_err("diverges");
    let second = instance.advance(Vec::new()).await.expect_err("stays so");
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_module_that_is_nowhere_is_unavailable() {
    use dacapo_engine::guest::{GuestHost as _, Unbounded};
    let host = host(config(), &[]);
    let digest = dacapo_model::module::ModuleDigest::of(b"nothing");
    let blocked =
        host.launch(run(digest, 1), Arc::new(Unbounded)).await.err().expect("no instance");
    assert_eq!(blocked.code, "module_unavailable");
    assert!(blocked.message.contains(&digest.to_string()), "{}", blocked.message);
}
