//! Canned histories against the calls of a guest. Event `n` of a canned history
//! is recorded `n` seconds after the epoch.

mod activities;
mod budget;
mod cancelling;
mod deadline;
mod divergence;
mod live;
mod markers;
mod overtaking;
mod published;
mod signals;
mod waiting;

use std::time::Duration;

use dacapo_model::command::Command;
use dacapo_model::event::{
    ActivityOptions, Chain, EventAttributes, HistoryEvent, RunOptions, TimeoutType,
    WorkflowExecutionStarted,
};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{EventId, OperationId, SignalName, TypeName};
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::retry::{RetryPolicy, RetryState};
use dacapo_model::time::Timestamp;

use super::{Answer, Budget, CallError, Cursor, Delivery};

const ONE: OperationId = OperationId(1);
const TWO: OperationId = OperationId(2);
const THREE: OperationId = OperationId(3);

/// A history of the start and what follows it.
fn history(after_start: impl IntoIterator<Item = EventAttributes>) -> Vec<HistoryEvent> {
    let start = WorkflowExecutionStarted {
        workflow_type: TypeName::new("order").expect("a valid name"),
        module_digest: ModuleDigest([1; 32]),
        input: Payload::new("17"),
        engine_version: 1,
        request_id: None,
        environment: [].into(),
        arguments: Vec::new(),
        continued_from: None,
        initial_signals: 0,
        parent: None,
        options: RunOptions::default(),
        chain: Chain::default(),
    };
    let start = EventAttributes::WorkflowExecutionStarted(Box::new(start));
    std::iter::once(start).chain(after_start).zip(1..).map(|(event, id)| at(id, event)).collect()
}

fn at(id: u64, attributes: EventAttributes) -> HistoryEvent {
    HistoryEvent { id: EventId(id), time: seconds(id), attributes }
}

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::default().after(Duration::from_secs(seconds))
}

/// A cursor whose guest has just begun.
fn begun(after_start: impl IntoIterator<Item = EventAttributes>) -> Cursor {
    let mut cursor = Cursor::new(Budget::from(&Limits::default()));
    cursor.extend(history(after_start));
    let start = cursor.start().expect("the start fits");
    assert!(matches!(start, Answer::Ready(started) if started.input == Payload::new("17")));
    cursor
}

fn options() -> ActivityOptions {
    ActivityOptions {
        start_to_close_timeout: Duration::from_secs(60),
        retry: RetryPolicy::default(),
        ..ActivityOptions::unnamed()
    }
}

fn charge() -> TypeName {
    TypeName::new("charge").expect("a valid name")
}

fn declined() -> Failure {
    Failure::new(FailureKind::Application, "Declined", "no money")
}

/// Makes the call that [`scheduled`] records.
fn start_charge(cursor: &mut Cursor) -> Result<OperationId, CallError> {
    cursor.start_activity(charge(), Payload::new("17"), options())
}

/// Makes the call that [`timer`] records.
fn start_timer(cursor: &mut Cursor) -> Result<OperationId, CallError> {
    cursor.start_timer(seconds(100))
}

fn scheduled(operation_id: OperationId) -> EventAttributes {
    EventAttributes::ActivityTaskScheduled {
        operation_id,
        activity_type: charge(),
        input: Payload::new("17"),
        options: options(),
    }
}

fn started(scheduled_event_id: u64) -> EventAttributes {
    EventAttributes::ActivityTaskStarted {
        scheduled_event_id: EventId(scheduled_event_id),
        attempt: 1,
        open: None,
    }
}

fn completed(scheduled_event_id: u64, operation_id: OperationId) -> EventAttributes {
    EventAttributes::ActivityTaskCompleted {
        scheduled_event_id: EventId(scheduled_event_id),
        operation_id,
        attempt: 1,
        result: Payload::new("true"),
    }
}

fn failed(scheduled_event_id: u64, operation_id: OperationId) -> EventAttributes {
    EventAttributes::ActivityTaskFailed {
        scheduled_event_id: EventId(scheduled_event_id),
        operation_id,
        attempt: 3,
        failure: declined(),
        retry_state: RetryState::MaximumAttemptsReached,
    }
}

fn timed_out(scheduled_event_id: u64, operation_id: OperationId) -> EventAttributes {
    EventAttributes::ActivityTaskTimedOut {
        scheduled_event_id: EventId(scheduled_event_id),
        operation_id,
        attempt: 2,
        timeout_type: TimeoutType::ScheduleToClose,
        last_failure: Some(declined()),
    }
}

fn activity_canceled(scheduled_event_id: u64, operation_id: OperationId) -> EventAttributes {
    EventAttributes::ActivityTaskCanceled {
        scheduled_event_id: EventId(scheduled_event_id),
        operation_id,
        failure: None,
    }
}

fn timer(operation_id: OperationId) -> EventAttributes {
    EventAttributes::TimerStarted { operation_id, fire_at: seconds(100) }
}

fn fired(started_event_id: u64, operation_id: OperationId) -> EventAttributes {
    EventAttributes::TimerFired { started_event_id: EventId(started_event_id), operation_id }
}

fn timer_canceled(started_event_id: u64, operation_id: OperationId) -> EventAttributes {
    EventAttributes::TimerCanceled { started_event_id: EventId(started_event_id), operation_id }
}

fn cancel_requested() -> EventAttributes {
    EventAttributes::WorkflowExecutionCancelRequested {
        reason: "too late".to_owned(),
        request_id: None,
    }
}

/// A signal that says what its name is.
fn signaled(name: &str) -> EventAttributes {
    EventAttributes::WorkflowExecutionSignaled {
        signal_name: signal_name(name),
        request_id: None,
        input: Payload::new(name.to_owned()),
    }
}

fn signal_name(name: &str) -> SignalName {
    SignalName::new(name).expect("a valid name")
}

fn task_failed() -> EventAttributes {
    EventAttributes::WorkflowTaskFailed {
        code: "guest_trap".to_owned(),
        message: "unreachable".to_owned(),
    }
}

fn run_completed() -> EventAttributes {
    EventAttributes::WorkflowExecutionCompleted { result: Payload::new("true") }
}

/// The delivery of what [`completed`] records.
fn completion(operation_id: OperationId) -> Answer<Delivery> {
    Answer::Ready(Delivery::Completed { operation_id, outcome: Ok(Payload::new("true")) })
}

/// The delivery of what [`fired`] records.
fn firing(operation_id: OperationId) -> Answer<Delivery> {
    Answer::Ready(Delivery::Completed { operation_id, outcome: Ok(Payload::default()) })
}

/// The delivery of what [`signaled`] records.
fn signal(name: &str) -> Answer<Delivery> {
    Answer::Ready(Delivery::Signal {
        name: signal_name(name),
        input: Payload::new(name.to_owned()),
    })
}

/// The delivery of what [`cancel_requested`] records.
fn cancellation() -> Answer<Delivery> {
    Answer::Ready(Delivery::CancelRequested { reason: "too late".to_owned() })
}

/// Asserts that the guest has replayed all, asked for nothing new, and waits.
#[track_caller]
fn assert_waits_with_nothing_new(cursor: &mut Cursor) {
    assert_eq!(cursor.next(), Ok(Answer::Blocked));
    assert_eq!(cursor.take_commands(), []);
    assert!(!cursor.is_replaying());
}

#[track_caller]
fn assert_report<T: std::fmt::Debug>(answer: Result<T, CallError>, expected: &str) {
    let error = answer.expect_err("the code does not fit the history");
    assert!(matches!(error, CallError::Nondeterminism(_)), "{error:?}");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_first_run_turns_calls_into_commands_numbered_from_one() {
    let mut cursor = begun([]);
    assert_eq!(start_charge(&mut cursor), Ok(ONE));
    assert_eq!(start_timer(&mut cursor), Ok(TWO));
    cursor.cancel(ONE).expect("it is open");
    assert_eq!(cursor.wait(TWO), Ok(Answer::Blocked));
    assert_eq!(
        cursor.take_commands(),
        [
            Command::ScheduleActivity {
                operation_id: ONE,
                activity_type: charge(),
                input: Payload::new("17"),
                options: options(),
            },
            Command::StartTimer { operation_id: TWO, fire_at: seconds(100) },
            Command::CancelOperation { operation_id: ONE },
        ]
    );
    assert_eq!(cursor.take_commands(), [], "commands are handed over once");
}

#[test]
fn a_replay_matches_the_same_calls_and_adds_nothing() {
    let mut cursor =
        begun([scheduled(ONE), started(2), timer(TWO), activity_canceled(2, ONE), fired(4, TWO)]);
    assert!(cursor.is_replaying());
    assert_eq!(start_charge(&mut cursor), Ok(ONE));
    assert_eq!(start_timer(&mut cursor), Ok(TWO));
    cursor.cancel(ONE).expect("history has the same");
    assert_eq!(cursor.wait(TWO), Ok(Answer::Ready(Ok(Payload::default()))));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn a_guest_whose_run_has_no_start_waits_for_it() {
    let mut cursor = Cursor::new(Budget::from(&Limits::default()));
    assert_eq!(cursor.start(), Ok(Answer::Blocked));
    cursor.extend(history([]));
    assert!(matches!(cursor.start(), Ok(Answer::Ready(_))));
    assert_eq!(cursor.started_at(), seconds(1));
}

#[test]
fn time_is_that_of_the_last_delivered_event() {
    let mut cursor = begun([scheduled(ONE), timer(TWO), completed(2, ONE), fired(3, TWO)]);
    start_charge(&mut cursor).expect("fits");
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.now(), seconds(1), "commands take no time");
    assert_eq!(cursor.next(), Ok(completion(ONE)));
    assert_eq!(cursor.now(), seconds(4));
    assert_eq!(cursor.next(), Ok(firing(TWO)));
    assert_eq!(cursor.now(), seconds(5));
    assert_eq!(cursor.started_at(), seconds(1));
}

#[test]
fn the_monotonic_clock_of_runs_from_before_it_began_above_zero_still_begins_at_zero() {
    let mut cursor = begun([timer(ONE), fired(2, ONE)]);
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.next(), Ok(firing(ONE)));
    assert_eq!(cursor.monotonic(), Duration::from_secs(2));
    assert_eq!(cursor.at_monotonic(Duration::from_secs(2)), seconds(3));
    let start = Duration::from_secs(24 * 60 * 60);
    let nobody = Cursor::new(Budget::from(&Limits::default()));
    assert_eq!(nobody.monotonic(), start);
    let mut history = history([]);
    if let EventAttributes::WorkflowExecutionStarted(started) = &mut history[0].attributes {
        started.engine_version = 2;
    }
    let mut cursor = Cursor::new(Budget::from(&Limits::default()));
    cursor.extend(history);
    cursor.start().expect("the start fits");
    assert_eq!(cursor.monotonic(), start);
    assert_eq!(cursor.at_monotonic(Duration::ZERO), seconds(1), "not before the start");
    assert_eq!(cursor.at_monotonic(start + Duration::from_secs(1)), seconds(2));
}

#[test]
fn options_are_kept_as_a_store_gives_them_back() {
    let mut cursor = begun([]);
    let mut fine = options();
    fine.start_to_close_timeout = Duration::from_nanos(1_500);
    cursor.start_activity(charge(), Payload::new("17"), fine).expect("a first run");
    let [Command::ScheduleActivity { options, .. }] = &cursor.take_commands()[..] else {
        panic!("one activity was asked for");
    };
    assert_eq!(options.start_to_close_timeout, Duration::from_micros(2));
}
