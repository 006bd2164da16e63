//! A run to decide about, for the tests of this folder. Times are seconds.

use std::time::Duration;

use dacapo_model::command::Command;
use dacapo_model::event::{
    ActivityOptions, Chain, EventAttributes, HistoryEvent, RunOptions, WorkflowExecutionStarted,
};
use dacapo_model::execution::Blocked;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{EventId, OperationId, QueueName, RunId, TypeName};
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryPolicy;
use dacapo_model::task::TaskRoute;
use dacapo_model::time::Timestamp;
use uuid::Uuid;

use super::{Input, Refusal, decide, start};
use crate::state::RunState;
use crate::transition::{Effect, StatusChange, TimerChange, Transition};

pub(crate) const RUN: RunId = RunId(Uuid::from_u128(7));

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::default().after(Duration::from_secs(seconds))
}

/// A run that started at second 10.
pub(crate) fn begun() -> RunState {
    start(start_attributes(), [], [], at(10)).0
}

pub(crate) fn start_attributes() -> WorkflowExecutionStarted {
    WorkflowExecutionStarted {
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
    }
}

/// A run that scheduled one activity at second 10, as its event 2.
pub(crate) fn with_activity(options: ActivityOptions) -> RunState {
    let mut state = begun();
    take_turn(&mut state, 10, [schedule(1, options)]);
    state
}

/// A run that started a timer for second 20 at second 10, as its event 2.
pub(crate) fn with_timer() -> RunState {
    let mut state = begun();
    take_turn(&mut state, 10, [start_timer(1, 20)]);
    state
}

/// The activity or the timer of the two above.
pub(crate) const EVENT: EventId = EventId(2);

pub(crate) fn input(
    state: &mut RunState,
    seconds: u64,
    input: Input,
) -> Result<Transition, Refusal> {
    let before = state.clone();
    let decided = decide(state, input, at(seconds), &Limits::default());
    if decided.is_err() {
        assert_eq!(*state, before, "a refusal leaves the state as it was");
    }
    decided
}

pub(crate) fn take_turn(
    state: &mut RunState,
    seconds: u64,
    commands: impl IntoIterator<Item = Command>,
) -> Transition {
    take_turn_within(state, seconds, commands, &Limits::default())
}

pub(crate) fn take_turn_within(
    state: &mut RunState,
    seconds: u64,
    commands: impl IntoIterator<Item = Command>,
    limits: &Limits,
) -> Transition {
    let turn = Input::GuestTurn { run_id: RUN, commands: commands.into_iter().collect() };
    decide(state, turn, at(seconds), limits).expect("the run is open")
}

pub(crate) fn schedule(operation: u32, options: ActivityOptions) -> Command {
    Command::ScheduleActivity {
        operation_id: OperationId(operation),
        activity_type: TypeName::new("charge").expect("a valid name"),
        input: Payload::new("17"),
        options,
    }
}

pub(crate) fn start_timer(operation: u32, seconds: u64) -> Command {
    Command::StartTimer { operation_id: OperationId(operation), fire_at: at(seconds) }
}

pub(crate) fn give_up(operation: u32) -> Command {
    Command::CancelOperation { operation_id: OperationId(operation) }
}

pub(crate) fn ask_to_cancel(operation: u32, grace_seconds: u64) -> Command {
    let grace = Duration::from_secs(grace_seconds);
    Command::RequestCancelActivity { operation_id: OperationId(operation), grace }
}

pub(crate) fn tell_activity() -> Effect {
    Effect::TellActivity { scheduled_event_id: EVENT }
}

pub(crate) fn options() -> ActivityOptions {
    ActivityOptions {
        start_to_close_timeout: Duration::from_secs(60),
        retry: RetryPolicy::default(),
        ..ActivityOptions::unnamed()
    }
}

pub(crate) fn attempts(maximum_attempts: u32) -> ActivityOptions {
    let retry = RetryPolicy { maximum_attempts, ..RetryPolicy::default() };
    ActivityOptions { retry, ..options() }
}

/// The same for workers of a task queue.
pub(crate) fn queued(options: ActivityOptions) -> ActivityOptions {
    let queue = QueueName::new("emails").expect("a valid name");
    ActivityOptions { task_queue: Some(TaskRoute::to(queue)), ..options }
}

pub(crate) fn declined() -> Failure {
    Failure::new(FailureKind::Application, "Declined", "no money")
}

pub(crate) fn returns(attempt: u32, outcome: Result<Payload, Failure>) -> Input {
    Input::ActivityReturned { scheduled_event_id: EVENT, attempt, outcome }
}

pub(crate) fn row_is_due() -> Input {
    Input::TimerDue { event_id: EVENT }
}

/// Fails the first attempt of [`with_activity`] at second 10: it is to be tried
/// again at second 11.
pub(crate) fn fail_once(state: &mut RunState) {
    input(state, 10, returns(1, Err(declined()))).expect("attempt 1 runs");
}

pub(crate) fn trap() -> Blocked {
    Blocked {
        code: "guest_trap".to_owned(),
        message: "unreachable".to_owned(),
        backtrace: Some("order::run".to_owned()),
        nondeterminism: None,
    }
}

/// The event of a transition that records one.
#[track_caller]
pub(crate) fn only_event(transition: &Transition) -> &EventAttributes {
    match &transition.events[..] {
        [HistoryEvent { attributes, .. }] => attributes,
        events => panic!("one event was expected: {events:?}"),
    }
}

pub(crate) fn event_types(transition: &Transition) -> Vec<&'static str> {
    transition.events.iter().map(|event| event.attributes.type_name()).collect()
}

pub(crate) fn run_activity() -> Effect {
    Effect::RunActivity { scheduled_event_id: EVENT }
}

pub(crate) fn stop_activity() -> Effect {
    Effect::StopActivity { scheduled_event_id: EVENT }
}

pub(crate) fn clear() -> TimerChange {
    TimerChange::Clear { event_id: EVENT }
}

pub(crate) fn status(change: &Transition) -> &StatusChange {
    change.status.as_ref().expect("the status changes")
}
