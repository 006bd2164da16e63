//! Of every type of event: that it is kept as it was.

use std::time::Duration;

use super::*;
use crate::failure::FailureKind;
use crate::ids::{UpdateId, UpdateName};
use crate::module::ModuleDigest;
use crate::retry::RetryPolicy;

/// One of each type.
fn all() -> Vec<EventAttributes> {
    let (scheduled_event_id, started_event_id) = (EventId(2), EventId(3));
    let operation_id = OperationId(1);
    let name = || TypeName::new("charge").expect("a valid name");
    let payload = || Payload::new(vec![0, 159, 146, 150]);
    let failure = || Failure::new(FailureKind::Application, "Declined", "no \u{0} money");
    let options = ActivityOptions {
        start_to_close_timeout: Duration::from_micros(1_500_001),
        schedule_to_close_timeout: Some(Duration::from_secs(60)),
        retry: RetryPolicy { backoff_coefficient: 1.1, ..RetryPolicy::default() },
    };
    vec![
        EventAttributes::WorkflowExecutionStarted(Box::new(WorkflowExecutionStarted {
            workflow_type: name(),
            module_digest: ModuleDigest([7; 32]),
            input: payload(),
            engine_version: 1,
            request_id: Some(RequestId::new("r").expect("a valid id")),
            environment: [("A".to_owned(), "b".to_owned())].into(),
            arguments: vec!["c".to_owned()],
            continued_from: Some(RunId(uuid::Uuid::from_u128(5))),
            initial_signals: 3,
        })),
        EventAttributes::WorkflowExecutionCancelRequested {
            reason: "late".to_owned(),
            request_id: None,
        },
        EventAttributes::WorkflowExecutionSignaled {
            signal_name: SignalName::new("approved").expect("a valid name"),
            request_id: Some(RequestId::new("s").expect("a valid id")),
            input: payload(),
        },
        EventAttributes::WorkflowExecutionUpdateAccepted(UpdateAccepted {
            update_id: UpdateId::new("u").expect("a valid id"),
            update_name: UpdateName::new("add").expect("a valid name"),
            input: payload(),
        }),
        EventAttributes::WorkflowExecutionUpdateCompleted(Box::new(UpdateCompleted::new(
            UpdateId::new("u").expect("a valid id"),
            EventId(2),
            Ok(payload()),
        ))),
        EventAttributes::WorkflowExecutionUpdateCompleted(Box::new(UpdateCompleted::new(
            UpdateId::new("u").expect("a valid id"),
            EventId(2),
            Err(failure()),
        ))),
        EventAttributes::WorkflowExecutionCompleted { result: payload() },
        EventAttributes::WorkflowExecutionFailed { failure: failure() },
        EventAttributes::WorkflowExecutionCanceled { details: "undone".to_owned() },
        EventAttributes::WorkflowExecutionTerminated { reason: "wrong".to_owned() },
        EventAttributes::WorkflowExecutionContinuedAsNew {
            new_run_id: RunId(uuid::Uuid::from_u128(6)),
            workflow_type: name(),
            input: payload(),
        },
        EventAttributes::WorkflowTaskFailed {
            code: "guest_trap".to_owned(),
            message: "unreachable".to_owned(),
        },
        EventAttributes::ActivityTaskScheduled {
            operation_id,
            activity_type: name(),
            input: payload(),
            options,
        },
        EventAttributes::ActivityTaskStarted { scheduled_event_id, attempt: 1 },
        EventAttributes::ActivityTaskCompleted {
            scheduled_event_id,
            operation_id,
            attempt: 2,
            result: payload(),
        },
        EventAttributes::ActivityTaskFailed {
            scheduled_event_id,
            operation_id,
            attempt: 3,
            failure: failure(),
            retry_state: RetryState::MaximumAttemptsReached,
        },
        EventAttributes::ActivityTaskTimedOut {
            scheduled_event_id,
            operation_id,
            attempt: 3,
            timeout_type: TimeoutType::ScheduleToClose,
            last_failure: Some(failure()),
        },
        EventAttributes::ActivityTaskCanceled { scheduled_event_id, operation_id },
        EventAttributes::TimerStarted { operation_id, fire_at: Timestamp::from_micros(1) },
        EventAttributes::TimerFired { started_event_id, operation_id },
        EventAttributes::TimerCanceled { started_event_id, operation_id },
    ]
}

#[test]
fn every_event_is_read_back_as_it_was_written() {
    for event in all() {
        let json = serde_json::to_value(&event).expect("serialises");
        assert_eq!(json["type"], event.type_name());
        let mut read: EventAttributes = serde_json::from_value(json).expect("parses");
        if let Some((_, payload)) = event.payload() {
            assert_ne!(read, event, "the payload is kept beside the attributes");
            read.set_payload(payload.clone());
        }
        assert_eq!(read, event);
    }
}

#[test]
fn the_closing_events_are_those_that_end_a_run() {
    let closing: Vec<_> =
        all().iter().filter(|e| e.is_closing()).map(EventAttributes::type_name).collect();
    assert_eq!(
        closing,
        [
            "WorkflowExecutionCompleted",
            "WorkflowExecutionFailed",
            "WorkflowExecutionCanceled",
            "WorkflowExecutionTerminated",
            "WorkflowExecutionContinuedAsNew",
        ]
    );
}

#[test]
fn options_are_rounded_up_to_what_a_history_keeps() {
    let options = ActivityOptions {
        start_to_close_timeout: Duration::from_nanos(1_001),
        schedule_to_close_timeout: Some(Duration::from_nanos(1)),
        retry: RetryPolicy {
            initial_interval: Duration::from_nanos(2_999),
            maximum_interval: Duration::from_nanos(3_000),
            ..RetryPolicy::default()
        },
    };
    let kept = options.whole_micros();
    assert_eq!(kept.start_to_close_timeout, Duration::from_micros(2));
    assert_eq!(kept.schedule_to_close_timeout, Some(Duration::from_micros(1)));
    assert_eq!(kept.retry.initial_interval, Duration::from_micros(3));
    assert_eq!(kept.retry.maximum_interval, Duration::from_micros(3));
}
