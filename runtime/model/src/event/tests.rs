//! Of every type of event: that it is kept as it was.

use std::time::Duration;

use super::*;
use crate::attributes::{AttributeChanges, RunAttributes, SearchAttribute};
use crate::execution::IdReusePolicy;
use crate::failure::FailureKind;
use crate::ids::{
    ChangeId, ModuleName, NamespaceName, QueueName, UpdateId, UpdateName, ValueName, WorkflowId,
};
use crate::module::ModuleDigest;
use crate::retry::RetryPolicy;
use crate::tag::TagChanges;
use crate::task::{FairnessKey, FairnessWeight, Priority, TaskRoute};
use crate::trace::{TraceContext, TraceHeaders};

fn route() -> TaskRoute {
    TaskRoute {
        queue: QueueName::new("emails").expect("a valid name"),
        priority: Priority::new(1).expect("a priority"),
        fairness_key: Some(FairnessKey::new("tenant 7").expect("a key")),
        fairness_weight: FairnessWeight::new(0.1 + 0.2).expect("a weight"),
    }
}

/// One of each type.
fn all() -> Vec<EventAttributes> {
    let (scheduled_event_id, started_event_id) = (EventId(2), EventId(3));
    let operation_id = OperationId(1);
    let initiated_event_id = EventId(4);
    let run_id = RunId(uuid::Uuid::from_u128(9));
    let workflow_id = || WorkflowId::new("order-17/3").expect("a valid id");
    let signal_name = || SignalName::new("approved").expect("a valid name");
    let name = || TypeName::new("charge").expect("a valid name");
    let payload = || Payload::new(vec![0, 159, 146, 150]);
    let failure = || Failure::new(FailureKind::Application, "Declined", "no \u{0} money");
    let options = ActivityOptions {
        start_to_close_timeout: Duration::from_micros(1_500_001),
        schedule_to_close_timeout: Some(Duration::from_secs(60)),
        schedule_to_start_timeout: Some(Duration::from_secs(5)),
        heartbeat_timeout: Some(Duration::from_secs(3)),
        retry: RetryPolicy { backoff_coefficient: 1.1, ..RetryPolicy::default() },
        task_queue: Some(route()),
        module: Some(Box::new(ModuleRef {
            name: ModuleName::new("payments").expect("a valid name"),
            version: Some(3),
        })),
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
            parent: Some(Box::new(ParentExecution {
                workflow_id: workflow_id(),
                run_id,
                initiated_event_id,
                parent_close_policy: ParentClosePolicy::RequestCancel,
                root: RootExecution { workflow_id: workflow_id(), run_id },
                generation: 1,
            })),
            options: RunOptions {
                run_timeout: Some(Duration::from_micros(7)),
                execution_timeout: Some(Duration::from_secs(60)),
                delayed_until: Some(Timestamp::from_micros(9)),
                retry: Some(RetryPolicy::default()),
                attributes: attributes(),
                continue_as_new_after: Some(HistorySize { events: 1, bytes: 2 }),
                trace: TraceContext::try_from(TraceHeaders {
                    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                        .to_owned(),
                    tracestate: "vendor=1".to_owned(),
                })
                .ok()
                .map(Box::new),
            },
            chain: Chain {
                first_run_id: Some(RunId(uuid::Uuid::from_u128(8))),
                attempt: 4,
                execution_deadline: Some(Timestamp::from_micros(11)),
                continued_failure: Some(failure()),
                original_run_id: Some(RunId(uuid::Uuid::from_u128(9))),
                taken: Taken {
                    signals: vec![RequestId::new("s").expect("a valid id")],
                    updates: vec![TakenUpdate {
                        update_id: UpdateId::new("u").expect("a valid id"),
                        run_id,
                    }],
                },
            },
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
        EventAttributes::WorkflowExecutionFailed {
            failure: failure(),
            retry_state: Some(RetryState::InProgress),
            new_run_id: Some(RunId(uuid::Uuid::from_u128(6))),
        },
        EventAttributes::WorkflowExecutionCanceled { details: "undone".to_owned() },
        EventAttributes::WorkflowExecutionTerminated {
            reason: "wrong".to_owned(),
            new_run_id: Some(RunId(uuid::Uuid::from_u128(6))),
        },
        EventAttributes::WorkflowExecutionContinuedAsNew {
            new_run_id: RunId(uuid::Uuid::from_u128(6)),
            workflow_type: name(),
            input: payload(),
            options: Box::new(ContinuationOptions {
                run_timeout: Some(Duration::from_secs(1)),
                backoff: Duration::from_micros(5),
                attributes: changes(),
            }),
        },
        EventAttributes::WorkflowExecutionTimedOut(WorkflowExecutionTimedOut {
            timeout_type: RunTimeoutType::Execution,
            retry_state: Some(RetryState::Timeout),
            new_run_id: None,
        }),
        EventAttributes::WorkflowExecutionDelayEnded {},
        EventAttributes::WorkflowExecutionReset(WorkflowExecutionReset {
            base_run_id: RunId(uuid::Uuid::from_u128(6)),
            base_event_id: EventId(7),
            run_id: RunId(uuid::Uuid::from_u128(7)),
            reason: "a bug".to_owned(),
        }),
        EventAttributes::UpsertWorkflowSearchAttributes(UpsertWorkflowSearchAttributes {
            search_attributes: changes().search_attributes,
        }),
        EventAttributes::WorkflowPropertiesModified(WorkflowPropertiesModified {
            memo: changes().memo,
        }),
        EventAttributes::WorkflowTagsModified(changes().tags.into()),
        EventAttributes::WorkflowExecutionTagsUpdated(changes().tags.into()),
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
        EventAttributes::ActivityTaskStarted { scheduled_event_id, attempt: 1, open: None },
        EventAttributes::ActivityTaskStarted {
            scheduled_event_id,
            attempt: 1,
            open: Some(Box::new(OpenAttempt {
                number: 2,
                started_at: Timestamp::from_micros(1),
                token_digest: "abc".to_owned(),
            })),
        },
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
        EventAttributes::ActivityTaskCanceled { scheduled_event_id, operation_id, failure: None },
        EventAttributes::ActivityTaskCanceled {
            scheduled_event_id,
            operation_id,
            failure: Some(failure()),
        },
        EventAttributes::ActivityTaskCancelRequested(ActivityTaskCancelRequested {
            scheduled_event_id,
            operation_id,
            grace: Duration::from_secs(10),
        }),
        EventAttributes::ActivityTaskPaused(ActivityTaskPaused {
            scheduled_event_id,
            operation_id,
            reason: "deploy".to_owned(),
        }),
        EventAttributes::ActivityTaskUnpaused(ActivityTaskUnpaused {
            scheduled_event_id,
            operation_id,
            reason: String::new(),
        }),
        EventAttributes::ActivityTaskReset(ActivityTaskReset {
            scheduled_event_id,
            operation_id,
            attempts_before: 3,
            reason: String::new(),
        }),
        EventAttributes::TimerStarted { operation_id, fire_at: Timestamp::from_micros(1) },
        EventAttributes::TimerFired { started_event_id, operation_id },
        EventAttributes::TimerCanceled { started_event_id, operation_id },
        EventAttributes::MarkerRecorded(Marker::Version {
            change_id: ChangeId::new("refunds").expect("a valid id"),
            version: 2,
        }),
        EventAttributes::MarkerRecorded(Marker::SideEffect {
            name: ValueName::new("quote").expect("a valid name"),
            value: payload(),
        }),
        EventAttributes::MarkerRecorded(Marker::MutableSideEffect {
            name: ValueName::new("rates").expect("a valid name"),
            call: 3,
            value: Payload::new("[1, 2]"),
        }),
        EventAttributes::WorkflowExecutionOptionsUpdated(WorkflowExecutionOptionsUpdated {
            module_digest: Some(ModuleDigest([8; 32])),
        }),
        EventAttributes::StartChildWorkflowExecutionInitiated(Box::new(
            StartChildWorkflowExecutionInitiated {
                started_operation_id: operation_id,
                closed_operation_id: OperationId(2),
                workflow_type: name(),
                workflow_id: workflow_id(),
                run_id,
                input: payload(),
                options: ChildOptions {
                    workflow_id: Some(workflow_id()),
                    reuse_policy: IdReusePolicy::RejectDuplicate,
                    parent_close_policy: ParentClosePolicy::Abandon,
                    cancellation_type: ChildCancellationType::TryCancel,
                    module: Some(ModuleRef {
                        name: ModuleName::new("billing").expect("a valid name"),
                        version: Some(3),
                    }),
                    run_timeout: Some(Duration::from_secs(50)),
                    execution_timeout: Some(Duration::from_secs(500)),
                    start_delay: Duration::from_millis(5),
                    retry: Some(RetryPolicy::default()),
                    attributes: attributes(),
                },
            },
        )),
        EventAttributes::StartChildWorkflowExecutionFailed(StartChildWorkflowExecutionFailed {
            initiated_event_id,
            started_operation_id: operation_id,
            closed_operation_id: OperationId(2),
            failure: failure(),
        }),
        EventAttributes::ChildWorkflowExecutionStarted(ChildWorkflowExecutionStarted {
            initiated_event_id,
            operation_id,
            workflow_id: workflow_id(),
            run_id,
        }),
        EventAttributes::ChildWorkflowExecutionCompleted(ChildWorkflowExecutionCompleted {
            initiated_event_id,
            operation_id,
            result: payload(),
        }),
        EventAttributes::ChildWorkflowExecutionFailed(ChildWorkflowExecutionFailed {
            initiated_event_id,
            operation_id,
            failure: failure(),
        }),
        EventAttributes::ChildWorkflowExecutionCanceled(ChildWorkflowExecutionCanceled {
            initiated_event_id,
            operation_id,
            details: "undone".to_owned(),
        }),
        EventAttributes::ChildWorkflowExecutionTimedOut(ChildWorkflowExecutionTimedOut {
            initiated_event_id,
            operation_id,
        }),
        EventAttributes::ChildWorkflowExecutionTerminated(ChildWorkflowExecutionTerminated {
            initiated_event_id,
            operation_id,
            reason: "wrong".to_owned(),
        }),
        EventAttributes::SignalExternalWorkflowExecutionInitiated(Box::new(
            SignalExternalWorkflowExecutionInitiated {
                operation_id,
                workflow_id: workflow_id(),
                run_id: Some(run_id),
                signal_name: signal_name(),
                input: payload(),
            },
        )),
        EventAttributes::ExternalWorkflowExecutionSignaled(ExternalWorkflowExecutionSignaled {
            initiated_event_id,
            operation_id,
        }),
        EventAttributes::SignalExternalWorkflowExecutionFailed(
            SignalExternalWorkflowExecutionFailed {
                initiated_event_id,
                operation_id,
                failure: failure(),
            },
        ),
        EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(Box::new(
            RequestCancelExternalWorkflowExecutionInitiated {
                operation_id,
                workflow_id: workflow_id(),
                run_id: None,
                reason: "late".to_owned(),
                child_initiated_event_id: Some(initiated_event_id),
                first_run_id: Some(RunId(uuid::Uuid::from_u128(8))),
                terminate: true,
            },
        )),
        EventAttributes::ExternalWorkflowExecutionCancelRequested(
            ExternalWorkflowExecutionCancelRequested {
                initiated_event_id,
                operation_id,
                child_initiated_event_id: None,
            },
        ),
        EventAttributes::RequestCancelExternalWorkflowExecutionFailed(
            RequestCancelExternalWorkflowExecutionFailed {
                initiated_event_id,
                operation_id,
                child_initiated_event_id: None,
                failure: failure(),
            },
        ),
    ]
}

fn attributes() -> RunAttributes {
    let mut attributes = RunAttributes::default();
    attributes.apply(&changes());
    attributes
}

fn changes() -> AttributeChanges {
    AttributeChanges {
        memo: [("note".to_owned(), Some(serde_json::json!({"a": [1, null]}).into()))].into(),
        search_attributes: [
            ("vip".to_owned(), Some(SearchAttribute::Bool(true))),
            ("since".to_owned(), Some(SearchAttribute::Datetime(Timestamp::from_micros(3)))),
            ("rate".to_owned(), Some(SearchAttribute::Double(1.5))),
            ("count".to_owned(), Some(SearchAttribute::Int(-3))),
            ("tier".to_owned(), Some(SearchAttribute::Keyword("gold".to_owned()))),
            ("text".to_owned(), Some(SearchAttribute::Text("a b".to_owned()))),
            ("tags".to_owned(), Some(SearchAttribute::KeywordList(vec!["x".to_owned()]))),
            ("gone".to_owned(), None),
        ]
        .into(),
        tags: TagChanges {
            added: ["in review".parse().expect("a tag")].into(),
            removed: ["old".parse().expect("a tag")].into(),
        },
    }
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

/// Children are many, and their parents' histories hold one such event for each.
#[test]
fn a_child_without_options_names_none() {
    let event = all().into_iter().find_map(|event| match event {
        EventAttributes::StartChildWorkflowExecutionInitiated(mut child) => {
            child.options = ChildOptions::default();
            Some(EventAttributes::StartChildWorkflowExecutionInitiated(child))
        }
        _ => None,
    });
    let json = serde_json::to_value(event.expect("it is among them")).expect("serialises");
    assert_eq!(json.get("options"), None);
}

#[test]
fn a_history_is_read_back_from_its_file_whatever_is_in_it() {
    let events = all().into_iter().zip(1..).map(|(attributes, id)| {
        let time = Timestamp::from_micros(1_700_000_000_123_456);
        ExportedEvent { event: HistoryEvent { id: EventId(id), time, attributes } }
    });
    let exported = ExportedHistory {
        format: ExportFormat::V1,
        namespace: NamespaceName::new("default").expect("a valid name"),
        workflow_id: WorkflowId::new("order/17").expect("a valid id"),
        run_id: RunId(uuid::Uuid::from_u128(9)),
        events: events.collect(),
    };
    let text = serde_json::to_string(&exported).expect("serialises");
    assert!(text.starts_with("{\"format\":\"dacapo-history-1\""), "{text}");
    assert!(text.contains(r#""payload":"[1, 2]""#), "text stays readable: {text}");
    assert_eq!(serde_json::from_str::<ExportedHistory>(&text).expect("parses"), exported);
    assert_eq!(exported.module_digest(), Some(ModuleDigest([8; 32])), "it was moved");
}

#[test]
fn a_damaged_file_is_refused_with_the_event_that_is_damaged() {
    for damage in [
        r#"{"event_id":4,"time":1,"attributes":{"type":"TimerFired","started_event_id":3,"operation_id":1},"payload":"1"}"#,
        r#"{"event_id":4,"time":1,"attributes":{"type":"WorkflowExecutionCompleted"}}"#,
        r#"{"event_id":4,"time":1,"attributes":{"type":"WorkflowExecutionCompleted"},"payload_base64":"?"}"#,
        r#"{"event_id":4,"time":1,"attributes":{"type":"WorkflowExecutionCompleted"},"payload":"","payload_base64":""}"#,
    ] {
        let damage = damage.replace("\"time\":1", r#""time":"2026-11-22T13:37:00.123456Z""#);
        let error = serde_json::from_str::<ExportedEvent>(&damage).expect_err("refused");
        assert!(error.to_string().contains("event 4"), "{error}");
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
            "WorkflowExecutionTimedOut",
        ]
    );
}

#[test]
fn options_are_rounded_up_to_what_a_history_keeps() {
    let options = ActivityOptions {
        start_to_close_timeout: Duration::from_nanos(1_001),
        schedule_to_close_timeout: Some(Duration::from_nanos(1)),
        schedule_to_start_timeout: Some(Duration::from_nanos(1)),
        heartbeat_timeout: Some(Duration::from_nanos(2_001)),
        retry: RetryPolicy {
            initial_interval: Duration::from_nanos(2_999),
            maximum_interval: Duration::from_nanos(3_000),
            ..RetryPolicy::default()
        },
        task_queue: None,
        module: None,
    };
    let kept = options.whole_micros();
    assert_eq!(kept.start_to_close_timeout, Duration::from_micros(2));
    assert_eq!(kept.schedule_to_close_timeout, Some(Duration::from_micros(1)));
    assert_eq!(kept.schedule_to_start_timeout, Some(Duration::from_micros(1)));
    assert_eq!(kept.heartbeat_timeout, Some(Duration::from_micros(3)));
    assert_eq!(kept.retry.initial_interval, Duration::from_micros(3));
    assert_eq!(kept.retry.maximum_interval, Duration::from_micros(3));
}

#[test]
fn an_activity_without_a_task_queue_is_written_as_before_there_were_any() {
    let scheduled = |options| EventAttributes::ActivityTaskScheduled {
        operation_id: OperationId(1),
        activity_type: TypeName::new("charge").expect("a valid name"),
        input: Payload::default(),
        options,
    };
    let start_to_close_timeout = Duration::from_secs(7);
    let here = ActivityOptions { start_to_close_timeout, ..ActivityOptions::unnamed() };
    for options in [ActivityOptions::unnamed(), here.clone()] {
        let json = serde_json::to_string(&scheduled(options)).expect("has a JSON form");
        assert!(!json.contains("task_queue"), "{json}");
    }
    let queue = QueueName::new("emails").expect("a valid name");
    let elsewhere = ActivityOptions { task_queue: Some(TaskRoute::to(queue)), ..here };
    let json = serde_json::to_string(&scheduled(elsewhere)).expect("has a JSON form");
    assert!(json.contains(r#""task_queue":{"queue":"emails"}"#), "{json}");
}

#[test]
fn what_ends_an_operation_is_delivered_to_the_guest() {
    for event in all() {
        let ends = event.ended_operations() != [None, None];
        assert!(!ends || event.role() == Role::Input, "{}", event.type_name());
    }
}
