//! One event of every type.

use std::collections::BTreeMap;
use std::time::Duration;

use dacapo_model::attributes::{AttributeChanges, RunAttributes, SearchAttribute};
use dacapo_model::event::{
    ActivityOptions, ActivityTaskCancelRequested, ActivityTaskPaused, ActivityTaskReset,
    ActivityTaskUnpaused, Chain, ChildCancellationType, ChildOptions,
    ChildWorkflowExecutionCanceled, ChildWorkflowExecutionCompleted, ChildWorkflowExecutionFailed,
    ChildWorkflowExecutionStarted, ChildWorkflowExecutionTerminated,
    ChildWorkflowExecutionTimedOut, ContinuationOptions, EventAttributes,
    ExternalWorkflowExecutionCancelRequested, ExternalWorkflowExecutionSignaled, HistorySize,
    Marker, ModuleRef, OpenAttempt, ParentClosePolicy, ParentExecution,
    RequestCancelExternalWorkflowExecutionFailed, RequestCancelExternalWorkflowExecutionInitiated,
    RootExecution, RunOptions, RunTimeoutType, SignalExternalWorkflowExecutionFailed,
    SignalExternalWorkflowExecutionInitiated, StartChildWorkflowExecutionFailed,
    StartChildWorkflowExecutionInitiated, TagsChanged, Taken, TakenUpdate, TimeoutType,
    UpdateAccepted, UpdateCompleted, UpsertWorkflowSearchAttributes,
    WorkflowExecutionOptionsUpdated, WorkflowExecutionReset, WorkflowExecutionStarted,
    WorkflowExecutionTimedOut, WorkflowPropertiesModified,
};
use dacapo_model::execution::IdReusePolicy;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{
    ChangeId, EventId, ModuleName, OperationId, QueueName, SignalName, UpdateId, UpdateName,
    ValueName, WorkflowId,
};
use dacapo_model::json::Json;
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::retry::{RetryPolicy, RetryState};
use dacapo_model::tag::{TagChanges, Tags};
use dacapo_model::task::{FairnessKey, FairnessWeight, Priority, TaskRoute};
use dacapo_model::trace::{TraceContext, TraceHeaders};

use super::fixtures::{START, request_id, run_id, type_name};

/// A failure with everything a failure can have.
pub fn failure() -> Failure {
    let mut cause = Failure::new(FailureKind::Application, "Declined", "no \"funds\"\n\0\u{10}end");
    cause.info.details = Some(Payload::from(vec![0, 255, 128]));
    cause.info.next_retry_delay = Some(Duration::from_micros(1_500_001));
    let mut failure = Failure::new(FailureKind::Activity, "ActivityFailed", "ünï 'cödé'")
        .non_retryable()
        .caused_by(cause);
    failure.info.details = Some(Payload::default());
    failure
}

fn workflow_id(text: &str) -> WorkflowId {
    WorkflowId::new(text).expect("a valid id")
}

fn options() -> ActivityOptions {
    ActivityOptions {
        start_to_close_timeout: Duration::from_micros(7_000_001),
        schedule_to_close_timeout: Some(Duration::from_secs(3600)),
        schedule_to_start_timeout: Some(Duration::from_secs(60)),
        heartbeat_timeout: Some(Duration::from_micros(3)),
        retry: RetryPolicy {
            backoff_coefficient: 1.1,
            maximum_attempts: 3,
            non_retryable_types: vec!["Declined".to_owned(), "\0".to_owned()],
            ..RetryPolicy::default()
        },
        task_queue: Some(TaskRoute {
            queue: QueueName::new("emails").expect("a valid name"),
            priority: Priority::new(1).expect("a priority"),
            fairness_key: Some(FairnessKey::new("tenant 7").expect("a key")),
            fairness_weight: FairnessWeight::new(0.1 + 0.2).expect("a weight"),
        }),
        module: Some(Box::new(ModuleRef {
            name: ModuleName::new("payments").expect("a valid name"),
            version: Some(3),
        })),
    }
}

/// Has no payload, unlike one that did not fail.
pub fn failed_update() -> EventAttributes {
    EventAttributes::WorkflowExecutionUpdateCompleted(Box::new(UpdateCompleted::new(
        UpdateId::new("update 2").expect("valid"),
        EventId(9),
        Err(failure()),
    )))
}

/// Pairs each variant with a sample. The match has no wildcard, so a new variant
/// does not compile until it has its sample here.
macro_rules! samples {
    ($($pattern:pat => $sample:expr,)*) => {
        /// One event of every type, with every optional part present.
        pub fn every_event() -> Vec<EventAttributes> {
            let samples = vec![$($sample),*];
            assert!(samples.iter().all(is_paired));
            samples
        }

        fn is_paired(attributes: &EventAttributes) -> bool {
            match attributes {
                $($pattern => true,)*
            }
        }
    };
}

samples! {
    EventAttributes::WorkflowExecutionStarted(_) =>
        EventAttributes::WorkflowExecutionStarted(Box::new(WorkflowExecutionStarted {
            workflow_type: type_name("shop.order"),
            module_digest: ModuleDigest::of(b"module"),
            input: Payload::from(b"{\"order\":17}".to_vec()),
            engine_version: 1,
            request_id: Some(request_id("request-1")),
            environment: BTreeMap::from([("LANG".to_owned(), "de\0DE".to_owned())]),
            arguments: vec!["--fast".to_owned(), String::new()],
            continued_from: Some(run_id(99)),
            initial_signals: u64::from(u32::MAX),
            parent: Some(Box::new(ParentExecution {
                workflow_id: workflow_id("parent"),
                run_id: run_id(5),
                initiated_event_id: EventId(6),
                parent_close_policy: ParentClosePolicy::Abandon,
                root: RootExecution { workflow_id: workflow_id("root"), run_id: run_id(4) },
                generation: 7,
            })),
            options: RunOptions {
                run_timeout: Some(Duration::from_secs(60)),
                execution_timeout: Some(Duration::from_secs(3_600)),
                delayed_until: Some(START),
                retry: Some(options().retry),
                attributes: attributes(),
                continue_as_new_after: Some(HistorySize { events: 1, bytes: u64::from(u32::MAX) }),
                trace: TraceContext::try_from(TraceHeaders {
                    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03".to_owned(),
                    tracestate: "a=é".to_owned(),
                })
                .ok()
                .map(Box::new),
            },
            chain: Chain {
                first_run_id: Some(run_id(98)),
                attempt: 2,
                execution_deadline: Some(START),
                continued_failure: Some(failure()),
                original_run_id: Some(run_id(97)),
                taken: Taken {
                    signals: vec![request_id("request-4"), request_id("ü")],
                    updates: vec![TakenUpdate {
                        update_id: UpdateId::new("update-2").expect("valid"),
                        run_id: run_id(96),
                    }],
                },
            },
        })),
    EventAttributes::WorkflowExecutionCancelRequested { .. } =>
        EventAttributes::WorkflowExecutionCancelRequested {
            reason: "customer's wish".to_owned(),
            request_id: Some(request_id("request-2")),
        },
    EventAttributes::WorkflowExecutionSignaled { .. } =>
        EventAttributes::WorkflowExecutionSignaled {
            signal_name: SignalName::new("approvéd by 'them'").expect("valid"),
            request_id: Some(request_id("request-3")),
            input: Payload::from(vec![0, 255, 7]),
        },
    EventAttributes::WorkflowExecutionUpdateAccepted(_) =>
        EventAttributes::WorkflowExecutionUpdateAccepted(UpdateAccepted {
            update_id: UpdateId::new("update 'ö' 1").expect("valid"),
            update_name: UpdateName::new("add to 'it'").expect("valid"),
            input: Payload::from(vec![0, 255, 8]),
        }),
    EventAttributes::WorkflowExecutionUpdateCompleted(_) =>
        EventAttributes::WorkflowExecutionUpdateCompleted(Box::new(UpdateCompleted::new(
            UpdateId::new("update 'ö' 1").expect("valid"),
            EventId(9),
            Ok(Payload::from(vec![0, 255, 9])),
        ))),
    EventAttributes::WorkflowExecutionCompleted { .. } =>
        EventAttributes::WorkflowExecutionCompleted { result: Payload::from(b"null".to_vec()) },
    EventAttributes::WorkflowExecutionFailed { .. } =>
        EventAttributes::WorkflowExecutionFailed {
            failure: failure(),
            retry_state: Some(RetryState::InProgress),
            new_run_id: Some(run_id(5)),
        },
    EventAttributes::WorkflowExecutionCanceled { .. } =>
        EventAttributes::WorkflowExecutionCanceled { details: "cleaned up\0".to_owned() },
    EventAttributes::WorkflowExecutionTerminated { .. } =>
        EventAttributes::WorkflowExecutionTerminated {
            reason: String::new(),
            new_run_id: Some(run_id(8)),
        },
    EventAttributes::WorkflowExecutionContinuedAsNew { .. } =>
        EventAttributes::WorkflowExecutionContinuedAsNew {
            new_run_id: run_id(u128::MAX),
            workflow_type: type_name("shop.next"),
            input: Payload::from(b"[]".to_vec()),
            options: Box::new(ContinuationOptions {
                run_timeout: Some(Duration::from_secs(1)),
                backoff: Duration::from_secs(2),
                attributes: AttributeChanges {
                    memo: BTreeMap::from([("gone".to_owned(), None)]),
                    tags: TagChanges { added: tags(), ..TagChanges::default() },
                    ..AttributeChanges::default()
                },
            }),
        },
    EventAttributes::WorkflowExecutionTimedOut(_) =>
        EventAttributes::WorkflowExecutionTimedOut(WorkflowExecutionTimedOut {
            timeout_type: RunTimeoutType::Run,
            retry_state: Some(RetryState::InProgress),
            new_run_id: Some(run_id(6)),
        }),
    EventAttributes::WorkflowExecutionDelayEnded {} =>
        EventAttributes::WorkflowExecutionDelayEnded {},
    EventAttributes::WorkflowExecutionReset(_) =>
        EventAttributes::WorkflowExecutionReset(WorkflowExecutionReset {
            base_run_id: run_id(7),
            base_event_id: EventId(8),
            run_id: run_id(9),
            reason: "a \0 bug".to_owned(),
        }),
    EventAttributes::UpsertWorkflowSearchAttributes(_) =>
        EventAttributes::UpsertWorkflowSearchAttributes(UpsertWorkflowSearchAttributes {
            search_attributes: attributes()
                .search_attributes
                .into_iter()
                .map(|(name, value)| (name, Some(value)))
                .chain([("gone".to_owned(), None)])
                .collect(),
        }),
    EventAttributes::WorkflowPropertiesModified(_) =>
        EventAttributes::WorkflowPropertiesModified(WorkflowPropertiesModified {
            memo: BTreeMap::from([("note".to_owned(), Some("a\0b".into())), ("x".to_owned(), None)]),
        }),
    EventAttributes::WorkflowTagsModified(_) =>
        EventAttributes::WorkflowTagsModified(changed_tags()),
    EventAttributes::WorkflowExecutionTagsUpdated(_) =>
        EventAttributes::WorkflowExecutionTagsUpdated(changed_tags()),
    EventAttributes::WorkflowTaskFailed { .. } =>
        EventAttributes::WorkflowTaskFailed {
            code: "guest_trap".to_owned(),
            message: "unreachable\0".to_owned(),
        },
    EventAttributes::ActivityTaskScheduled { .. } =>
        EventAttributes::ActivityTaskScheduled {
            operation_id: OperationId(u32::MAX),
            activity_type: type_name("shop.charge"),
            input: Payload::from(vec![1, 2, 3]),
            options: options(),
        },
    EventAttributes::ActivityTaskStarted { .. } =>
        EventAttributes::ActivityTaskStarted {
            scheduled_event_id: EventId(2),
            attempt: 1,
            open: Some(Box::new(OpenAttempt {
                number: u32::MAX,
                started_at: START,
                token_digest: "digest".to_owned(),
            })),
        },
    EventAttributes::ActivityTaskCompleted { .. } =>
        EventAttributes::ActivityTaskCompleted {
            scheduled_event_id: EventId(2),
            operation_id: OperationId(1),
            attempt: u32::MAX,
            result: Payload::from(b"\"paid\"".to_vec()),
        },
    EventAttributes::ActivityTaskFailed { .. } =>
        EventAttributes::ActivityTaskFailed {
            scheduled_event_id: EventId(2),
            operation_id: OperationId(1),
            attempt: 3,
            failure: failure(),
            retry_state: RetryState::MaximumAttemptsReached,
        },
    EventAttributes::ActivityTaskTimedOut { .. } =>
        EventAttributes::ActivityTaskTimedOut {
            scheduled_event_id: EventId(2),
            operation_id: OperationId(1),
            attempt: 3,
            timeout_type: TimeoutType::ScheduleToClose,
            last_failure: Some(failure()),
        },
    EventAttributes::ActivityTaskCanceled { .. } =>
        EventAttributes::ActivityTaskCanceled {
            scheduled_event_id: EventId(2),
            operation_id: OperationId(1),
            failure: Some(failure()),
        },
    EventAttributes::ActivityTaskCancelRequested(_) =>
        EventAttributes::ActivityTaskCancelRequested(ActivityTaskCancelRequested {
            scheduled_event_id: EventId(2),
            operation_id: OperationId(1),
            grace: Duration::from_micros(10_000_001),
        }),
    EventAttributes::ActivityTaskPaused(_) =>
        EventAttributes::ActivityTaskPaused(ActivityTaskPaused {
            scheduled_event_id: EventId(2),
            operation_id: OperationId(1),
            reason: "the \0 shop is closed".to_owned(),
        }),
    EventAttributes::ActivityTaskUnpaused(_) =>
        EventAttributes::ActivityTaskUnpaused(ActivityTaskUnpaused {
            scheduled_event_id: EventId(2),
            operation_id: OperationId(1),
            reason: "it is open".to_owned(),
        }),
    EventAttributes::ActivityTaskReset(_) =>
        EventAttributes::ActivityTaskReset(ActivityTaskReset {
            scheduled_event_id: EventId(2),
            operation_id: OperationId(1),
            attempts_before: 3,
            reason: String::new(),
        }),
    EventAttributes::TimerStarted { .. } =>
        EventAttributes::TimerStarted { operation_id: OperationId(1), fire_at: START },
    EventAttributes::TimerFired { .. } =>
        EventAttributes::TimerFired { started_event_id: EventId(9), operation_id: OperationId(1) },
    EventAttributes::TimerCanceled { .. } =>
        EventAttributes::TimerCanceled { started_event_id: EventId(9), operation_id: OperationId(1) },
    EventAttributes::MarkerRecorded(Marker::Version { .. }) =>
        EventAttributes::MarkerRecorded(Marker::Version {
            change_id: ChangeId::new("refünds").expect("valid"),
            version: 4_000_000_000,
        }),
    EventAttributes::MarkerRecorded(Marker::SideEffect { .. }) =>
        EventAttributes::MarkerRecorded(Marker::SideEffect {
            name: ValueName::new("quote").expect("valid"),
            value: Payload::from(vec![0, 255, 8]),
        }),
    EventAttributes::MarkerRecorded(Marker::MutableSideEffect { .. }) =>
        EventAttributes::MarkerRecorded(Marker::MutableSideEffect {
            name: ValueName::new("rates").expect("valid"),
            call: 7,
            value: Payload::from(vec![]),
        }),
    EventAttributes::WorkflowExecutionOptionsUpdated(_) =>
        EventAttributes::WorkflowExecutionOptionsUpdated(WorkflowExecutionOptionsUpdated {
            module_digest: Some(ModuleDigest::of(b"other")),
        }),
    EventAttributes::StartChildWorkflowExecutionInitiated(_) =>
        EventAttributes::StartChildWorkflowExecutionInitiated(Box::new(
            StartChildWorkflowExecutionInitiated {
                started_operation_id: OperationId(1),
                closed_operation_id: OperationId(2),
                workflow_type: type_name("child"),
                workflow_id: workflow_id("ünï/1"),
                run_id: run_id(7),
                input: Payload::from(vec![1, 2, 3]),
                options: ChildOptions {
                    workflow_id: Some(workflow_id("ünï/1")),
                    reuse_policy: IdReusePolicy::RejectDuplicate,
                    parent_close_policy: ParentClosePolicy::RequestCancel,
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
    EventAttributes::StartChildWorkflowExecutionFailed(_) =>
        EventAttributes::StartChildWorkflowExecutionFailed(StartChildWorkflowExecutionFailed {
            initiated_event_id: EventId(2),
            started_operation_id: OperationId(1),
            closed_operation_id: OperationId(2),
            failure: failure(),
        }),
    EventAttributes::ChildWorkflowExecutionStarted(_) =>
        EventAttributes::ChildWorkflowExecutionStarted(ChildWorkflowExecutionStarted {
            initiated_event_id: EventId(2),
            operation_id: OperationId(1),
            workflow_id: workflow_id("child"),
            run_id: run_id(7),
        }),
    EventAttributes::ChildWorkflowExecutionCompleted(_) =>
        EventAttributes::ChildWorkflowExecutionCompleted(ChildWorkflowExecutionCompleted {
            initiated_event_id: EventId(2),
            operation_id: OperationId(2),
            result: Payload::from(b"\"paid\"".to_vec()),
        }),
    EventAttributes::ChildWorkflowExecutionFailed(_) =>
        EventAttributes::ChildWorkflowExecutionFailed(ChildWorkflowExecutionFailed {
            initiated_event_id: EventId(2),
            operation_id: OperationId(2),
            failure: failure(),
        }),
    EventAttributes::ChildWorkflowExecutionCanceled(_) =>
        EventAttributes::ChildWorkflowExecutionCanceled(ChildWorkflowExecutionCanceled {
            initiated_event_id: EventId(2),
            operation_id: OperationId(2),
            details: "\0undone".to_owned(),
        }),
    EventAttributes::ChildWorkflowExecutionTimedOut(_) =>
        EventAttributes::ChildWorkflowExecutionTimedOut(ChildWorkflowExecutionTimedOut {
            initiated_event_id: EventId(2),
            operation_id: OperationId(2),
        }),
    EventAttributes::ChildWorkflowExecutionTerminated(_) =>
        EventAttributes::ChildWorkflowExecutionTerminated(ChildWorkflowExecutionTerminated {
            initiated_event_id: EventId(2),
            operation_id: OperationId(2),
            reason: "wrong\0".to_owned(),
        }),
    EventAttributes::SignalExternalWorkflowExecutionInitiated(_) =>
        EventAttributes::SignalExternalWorkflowExecutionInitiated(Box::new(
            SignalExternalWorkflowExecutionInitiated {
                operation_id: OperationId(1),
                workflow_id: workflow_id("other"),
                run_id: Some(run_id(8)),
                signal_name: SignalName::new("approved").expect("a valid name"),
                input: Payload::from(vec![1, 2, 3]),
            },
        )),
    EventAttributes::ExternalWorkflowExecutionSignaled(_) =>
        EventAttributes::ExternalWorkflowExecutionSignaled(ExternalWorkflowExecutionSignaled {
            initiated_event_id: EventId(2),
            operation_id: OperationId(1),
        }),
    EventAttributes::SignalExternalWorkflowExecutionFailed(_) =>
        EventAttributes::SignalExternalWorkflowExecutionFailed(
            SignalExternalWorkflowExecutionFailed {
                initiated_event_id: EventId(2),
                operation_id: OperationId(1),
                failure: failure(),
            },
        ),
    EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(_) =>
        EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(Box::new(
            RequestCancelExternalWorkflowExecutionInitiated {
                operation_id: OperationId(1),
                workflow_id: workflow_id("other"),
                run_id: Some(run_id(8)),
                reason: "late\0".to_owned(),
                child_initiated_event_id: Some(EventId(2)),
                first_run_id: Some(run_id(9)),
                terminate: true,
            },
        )),
    EventAttributes::ExternalWorkflowExecutionCancelRequested(_) =>
        EventAttributes::ExternalWorkflowExecutionCancelRequested(
            ExternalWorkflowExecutionCancelRequested {
                initiated_event_id: EventId(2),
                operation_id: OperationId(1),
                child_initiated_event_id: Some(EventId(2)),
            },
        ),
    EventAttributes::RequestCancelExternalWorkflowExecutionFailed(_) =>
        EventAttributes::RequestCancelExternalWorkflowExecutionFailed(
            RequestCancelExternalWorkflowExecutionFailed {
                initiated_event_id: EventId(2),
                operation_id: OperationId(1),
                child_initiated_event_id: Some(EventId(2)),
                failure: failure(),
            },
        ),
}

/// What a database would write in another form: digits, order, names that occur twice,
/// white space, and characters that it does not have.
const EXACT_JSON: &str = r#"{"b": 1.10, "a": [12345678901234567890123, 1E5, -0], "a": "\u0000"}"#;

fn tags() -> Tags {
    ["in review", "ä", "it's 100%_"].map(|tag| tag.parse().expect("a tag")).into()
}

fn changed_tags() -> TagsChanged {
    TagsChanged { added: tags(), removed: ["old".parse().expect("a tag")].into() }
}

/// Tags, a memo and a search attribute of every type.
pub fn attributes() -> RunAttributes {
    let searched = [
        ("Bool", SearchAttribute::Bool(true)),
        ("Datetime", SearchAttribute::Datetime(START)),
        ("Double", SearchAttribute::Double(-1.5)),
        ("Int", SearchAttribute::Int(i64::MIN)),
        ("Keyword", SearchAttribute::Keyword("gold\0".to_owned())),
        ("Text", SearchAttribute::Text("two wörds".to_owned())),
        ("KeywordList", SearchAttribute::KeywordList(vec!["a".to_owned(), String::new()])),
    ];
    RunAttributes {
        memo: BTreeMap::from([
            (
                "note".to_owned(),
                serde_json::json!({"by": ["Ann", null, 17, 0.5, true], "\0": "\u{10}"}).into(),
            ),
            ("empty".to_owned(), serde_json::Value::Null.into()),
            ("exact".to_owned(), Json::parse(EXACT_JSON).expect("it is JSON")),
        ]),
        search_attributes: searched.map(|(name, value)| (name.to_owned(), value)).into(),
        tags: tags(),
    }
}
