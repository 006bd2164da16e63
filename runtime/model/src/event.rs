//! The recorded vocabulary. Append-only: a variant, a field or its meaning is
//! never changed once histories hold it. Names follow Temporal's events.
//!
//! *Inputs* are things that happened to a run and are delivered to its guest;
//! *commands* are things the guest asked for, matched again on replay. Each
//! event has at most one [`Payload`], which stores keep beside the attributes,
//! byte for byte.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::ids::{EventId, OperationId, RequestId, RunId, SignalName, TypeName};
use crate::module::ModuleDigest;
use crate::payload::Payload;
use crate::retry::{RetryPolicy, RetryState};
use crate::time::{Timestamp, duration_micros, optional_duration_micros, whole_micros};

/// One recorded fact about a run.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEvent {
    /// Its position, from 1, without gaps.
    pub id: EventId,
    /// When it was recorded. Never before the event ahead of it.
    pub time: Timestamp,
    /// What happened.
    pub attributes: EventAttributes,
}

/// How an activity was asked to be run; every default is filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityOptions {
    /// Limit for one attempt.
    #[serde(rename = "start_to_close_timeout_micros", with = "duration_micros")]
    pub start_to_close_timeout: Duration,
    /// Limit over all attempts and waits.
    #[serde(
        default,
        rename = "schedule_to_close_timeout_micros",
        with = "optional_duration_micros",
        skip_serializing_if = "Option::is_none"
    )]
    pub schedule_to_close_timeout: Option<Duration>,
    /// Whether and when to try again.
    pub retry: RetryPolicy,
}

impl ActivityOptions {
    /// What an event means that names no options: those of an activity that was
    /// asked for without any. They are recorded with most activities, and left
    /// out there. Never changed, since histories depend on it.
    pub fn unnamed() -> Self {
        Self {
            start_to_close_timeout: Duration::from_secs(60),
            schedule_to_close_timeout: None,
            retry: RetryPolicy {
                initial_interval: Duration::from_secs(1),
                backoff_coefficient: 2.0,
                maximum_interval: Duration::from_secs(100),
                maximum_attempts: 0,
                non_retryable_types: Vec::new(),
            },
        }
    }

    fn are_unnamed(&self) -> bool {
        *self == Self::unnamed()
    }

    /// The same options as a history keeps them: durations in whole microseconds.
    #[must_use]
    pub fn whole_micros(mut self) -> Self {
        self.start_to_close_timeout = whole_micros(self.start_to_close_timeout);
        self.schedule_to_close_timeout = self.schedule_to_close_timeout.map(whole_micros);
        self.retry.initial_interval = whole_micros(self.retry.initial_interval);
        self.retry.maximum_interval = whole_micros(self.retry.maximum_interval);
        self
    }
}

/// Which timeout of an activity elapsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeoutType {
    /// One attempt took too long, and no further one was allowed.
    StartToClose,
    /// All attempts together took too long.
    ScheduleToClose,
}

impl TimeoutType {
    /// The failure type that stands for it, as retry policies match it.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::StartToClose => "StartToClose",
            Self::ScheduleToClose => "ScheduleToClose",
        }
    }
}

/// What was fixed when a run started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowExecutionStarted {
    /// What to run.
    pub workflow_type: TypeName,
    /// The only code this run is ever replayed against.
    pub module_digest: ModuleDigest,
    /// Its argument.
    #[serde(skip)]
    pub input: Payload,
    /// Which rules of the engine this history was made under.
    pub engine_version: u32,
    /// By which a repeat of the start is recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// What `wasi:cli/environment` answers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// What `wasi:cli/environment` answers for the arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The run that continued as this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_from: Option<RunId>,
    /// How many of the events that follow are signals which were there when the
    /// run began. They are delivered after what the guest asks for before it
    /// first waits, although that is recorded behind them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub initial_signals: u64,
}

/// What happened, by type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum EventAttributes {
    /// The run exists. Always the first event, and nowhere else.
    WorkflowExecutionStarted(Box<WorkflowExecutionStarted>),
    /// Input: someone asked the run to cancel. At most once.
    WorkflowExecutionCancelRequested {
        /// Why, for people.
        reason: String,
        /// By which a repeat is recognised.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<RequestId>,
    },
    /// Input: someone sent the run a message.
    WorkflowExecutionSignaled {
        /// What it is about.
        signal_name: SignalName,
        /// By which a repeat is recognised.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<RequestId>,
        /// What it says.
        #[serde(skip)]
        input: Payload,
    },
    /// Closing: the workflow returned a result.
    WorkflowExecutionCompleted {
        /// The result.
        #[serde(skip)]
        result: Payload,
    },
    /// Closing: the workflow returned a failure.
    WorkflowExecutionFailed {
        /// The failure.
        failure: Failure,
    },
    /// Closing: the workflow ended because it was asked to.
    WorkflowExecutionCanceled {
        /// What it had to say.
        details: String,
    },
    /// Closing: ended from outside without asking the workflow.
    WorkflowExecutionTerminated {
        /// Why, for people.
        reason: String,
    },
    /// Closing: goes on as a new run, started in the same transition.
    WorkflowExecutionContinuedAsNew {
        /// The new run.
        new_run_id: RunId,
        /// What it runs.
        workflow_type: TypeName,
        /// Its argument.
        #[serde(skip)]
        input: Payload,
    },
    /// The guest could not go on from here: the run was blocked. What the guest
    /// asked for in the activation that failed was not recorded; inputs that
    /// follow this event are delivered after what the guest asks for when the
    /// activation is tried again.
    WorkflowTaskFailed {
        /// The stable code of the fault.
        code: String,
        /// What happened.
        message: String,
    },
    /// Command: an activity is to be run. After a crash it is run again unless
    /// an event below closes it.
    ActivityTaskScheduled {
        /// The guest's name for it.
        operation_id: OperationId,
        /// What to run.
        activity_type: TypeName,
        /// Its argument.
        #[serde(skip)]
        input: Payload,
        /// How.
        #[serde(
            default = "ActivityOptions::unnamed",
            skip_serializing_if = "ActivityOptions::are_unnamed"
        )]
        options: ActivityOptions,
    },
    /// An attempt is about to start. Written only for activities that may be
    /// tried once: after a crash such an attempt is lost, not repeated.
    ActivityTaskStarted {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// From 1.
        attempt: u32,
    },
    /// Input: an activity returned.
    ActivityTaskCompleted {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// The guest's name for it.
        operation_id: OperationId,
        /// The attempt that returned.
        attempt: u32,
        /// What it returned.
        #[serde(skip)]
        result: Payload,
    },
    /// Input: an activity failed and is not tried again.
    ActivityTaskFailed {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// The guest's name for it.
        operation_id: OperationId,
        /// The last attempt.
        attempt: u32,
        /// Why it failed.
        failure: Failure,
        /// Why it is not tried again.
        retry_state: RetryState,
    },
    /// Input: an activity ran out of time and is not tried again.
    ActivityTaskTimedOut {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// The guest's name for it.
        operation_id: OperationId,
        /// The last attempt.
        attempt: u32,
        /// Which timeout elapsed.
        timeout_type: TimeoutType,
        /// What the attempt before failed with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_failure: Option<Failure>,
    },
    /// Command: the guest gave an activity up.
    ActivityTaskCanceled {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// The guest's name for it.
        operation_id: OperationId,
    },
    /// Command: a timer is to fire.
    TimerStarted {
        /// The guest's name for it.
        operation_id: OperationId,
        /// Not before then.
        fire_at: Timestamp,
    },
    /// Input: a timer fired.
    TimerFired {
        /// Its `TimerStarted`.
        started_event_id: EventId,
        /// The guest's name for it.
        operation_id: OperationId,
    },
    /// Command: the guest gave a timer up.
    TimerCanceled {
        /// Its `TimerStarted`.
        started_event_id: EventId,
        /// The guest's name for it.
        operation_id: OperationId,
    },
}

impl EventAttributes {
    /// The name of the type, as stored and shown.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::WorkflowExecutionStarted(_) => "WorkflowExecutionStarted",
            Self::WorkflowExecutionCancelRequested { .. } => "WorkflowExecutionCancelRequested",
            Self::WorkflowExecutionSignaled { .. } => "WorkflowExecutionSignaled",
            Self::WorkflowExecutionCompleted { .. } => "WorkflowExecutionCompleted",
            Self::WorkflowExecutionFailed { .. } => "WorkflowExecutionFailed",
            Self::WorkflowExecutionCanceled { .. } => "WorkflowExecutionCanceled",
            Self::WorkflowExecutionTerminated { .. } => "WorkflowExecutionTerminated",
            Self::WorkflowExecutionContinuedAsNew { .. } => "WorkflowExecutionContinuedAsNew",
            Self::WorkflowTaskFailed { .. } => "WorkflowTaskFailed",
            Self::ActivityTaskScheduled { .. } => "ActivityTaskScheduled",
            Self::ActivityTaskStarted { .. } => "ActivityTaskStarted",
            Self::ActivityTaskCompleted { .. } => "ActivityTaskCompleted",
            Self::ActivityTaskFailed { .. } => "ActivityTaskFailed",
            Self::ActivityTaskTimedOut { .. } => "ActivityTaskTimedOut",
            Self::ActivityTaskCanceled { .. } => "ActivityTaskCanceled",
            Self::TimerStarted { .. } => "TimerStarted",
            Self::TimerFired { .. } => "TimerFired",
            Self::TimerCanceled { .. } => "TimerCanceled",
        }
    }

    /// The payload and its field's name, for the types that have one.
    pub fn payload(&self) -> Option<(&'static str, &Payload)> {
        match self {
            Self::WorkflowExecutionStarted(started) => Some(("input", &started.input)),
            Self::WorkflowExecutionSignaled { input, .. }
            | Self::ActivityTaskScheduled { input, .. }
            | Self::WorkflowExecutionContinuedAsNew { input, .. } => Some(("input", input)),
            Self::WorkflowExecutionCompleted { result }
            | Self::ActivityTaskCompleted { result, .. } => Some(("result", result)),
            _ => None,
        }
    }

    /// Puts back the payload that [`Self::payload`] named, after the rest was
    /// read without it. Does nothing for types that have none.
    pub fn set_payload(&mut self, payload: Payload) {
        match self {
            Self::WorkflowExecutionStarted(started) => started.input = payload,
            Self::WorkflowExecutionSignaled { input, .. }
            | Self::ActivityTaskScheduled { input, .. }
            | Self::WorkflowExecutionContinuedAsNew { input, .. } => *input = payload,
            Self::WorkflowExecutionCompleted { result }
            | Self::ActivityTaskCompleted { result, .. } => *result = payload,
            _ => {}
        }
    }

    /// True for the last event of a history.
    pub fn is_closing(&self) -> bool {
        matches!(
            self,
            Self::WorkflowExecutionCompleted { .. }
                | Self::WorkflowExecutionFailed { .. }
                | Self::WorkflowExecutionCanceled { .. }
                | Self::WorkflowExecutionTerminated { .. }
                | Self::WorkflowExecutionContinuedAsNew { .. }
        )
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

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
}
