//! Histories that are legal, and histories that are not.

use std::time::Duration;

use dacapo_model::event::ActivityOptions;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::SignalName;
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryPolicy;

use super::*;

fn started() -> EventAttributes {
    EventAttributes::WorkflowExecutionStarted(Box::new(WorkflowExecutionStarted {
        workflow_type: TypeName::new("order").expect("a valid name"),
        module_digest: ModuleDigest([1; 32]),
        input: Payload::default(),
        engine_version: 1,
        request_id: None,
        environment: BTreeMap::new(),
        arguments: Vec::new(),
        continued_from: None,
        initial_signals: 0,
        parent: None,
        options: RunOptions::default(),
        chain: Chain::default(),
    }))
}

fn scheduled(operation: u32) -> EventAttributes {
    EventAttributes::ActivityTaskScheduled {
        operation_id: OperationId(operation),
        activity_type: TypeName::new("charge").expect("a valid name"),
        input: Payload::default(),
        options: ActivityOptions {
            start_to_close_timeout: Duration::from_secs(60),
            retry: RetryPolicy::default(),
            ..ActivityOptions::unnamed()
        },
    }
}

fn completed(scheduled: u64, operation: u32) -> EventAttributes {
    EventAttributes::ActivityTaskCompleted {
        scheduled_event_id: EventId(scheduled),
        operation_id: OperationId(operation),
        attempt: 1,
        result: Payload::default(),
    }
}

fn timer(operation: u32) -> EventAttributes {
    let fire_at = Timestamp::from_micros(9);
    EventAttributes::TimerStarted { operation_id: OperationId(operation), fire_at }
}

fn fired(started: u64, operation: u32) -> EventAttributes {
    EventAttributes::TimerFired {
        started_event_id: EventId(started),
        operation_id: OperationId(operation),
    }
}

fn cancel_requested() -> EventAttributes {
    EventAttributes::WorkflowExecutionCancelRequested { reason: String::new(), request_id: None }
}

fn signaled(request_id: Option<&str>) -> EventAttributes {
    EventAttributes::WorkflowExecutionSignaled {
        signal_name: SignalName::new("approved").expect("a valid name"),
        request_id: request_id.map(|id| RequestId::new(id).expect("a valid id")),
        input: Payload::default(),
    }
}

fn task_failed() -> EventAttributes {
    EventAttributes::WorkflowTaskFailed { code: String::new(), message: String::new() }
}

fn run_completed() -> EventAttributes {
    EventAttributes::WorkflowExecutionCompleted { result: Payload::default() }
}

fn numbered(events: impl IntoIterator<Item = EventAttributes>) -> Vec<HistoryEvent> {
    let event = |(attributes, id): (EventAttributes, u64)| HistoryEvent {
        id: EventId(id),
        time: Timestamp::from_micros(5),
        attributes,
    };
    events.into_iter().zip(1..).map(event).collect()
}

fn state_of(after_start: impl IntoIterator<Item = EventAttributes>) -> RunState {
    let events = numbered(std::iter::once(started()).chain(after_start));
    RunState::from_history(&events).expect("a legal history").expect("it has events")
}

#[track_caller]
fn assert_illegal(events: &[HistoryEvent], expected: &str) {
    let illegal = RunState::from_history(events).expect_err("an illegal history");
    assert_eq!(illegal.to_string(), expected);
}

#[test]
fn no_events_make_no_state() {
    assert_eq!(RunState::from_history([]), Ok(None));
}

#[test]
fn ids_times_and_the_start_follow_their_rules() {
    assert_illegal(
        &numbered([timer(1)]),
        "event 1 (TimerStarted) can't be there: a history begins with \
         WorkflowExecutionStarted",
    );
    assert_illegal(
        &numbered([started(), started()]),
        "event 2 (WorkflowExecutionStarted) can't be there: a run starts once",
    );
    assert_illegal(
        &numbered([timer(1), started()])[1..],
        "event 2 (WorkflowExecutionStarted) can't be there: the first event has id 1",
    );
    let mut events = numbered([started(), timer(1), cancel_requested()]);
    events[2].time = Timestamp::from_micros(4);
    assert_illegal(
        &events,
        "event 3 (WorkflowExecutionCancelRequested) can't be there: time does not go back",
    );
    events.remove(1);
    assert_illegal(
        &events,
        "event 3 (WorkflowExecutionCancelRequested) can't be there: \
         ids follow each other without gaps",
    );
}

#[test]
fn what_ends_must_have_begun_and_not_have_ended() {
    let no_activity = "it names no pending activity";
    let no_timer = "it names no pending timer";
    let other = "it does not end the operation that it names";
    let cases = [
        (vec![completed(2, 1)], no_activity),
        (vec![timer(1), completed(2, 1)], no_activity),
        (vec![scheduled(1), completed(2, 1), completed(2, 1)], no_activity),
        (vec![scheduled(1), fired(2, 1)], no_timer),
        (vec![timer(1), fired(2, 1), fired(2, 1)], no_timer),
        (vec![scheduled(1), timer(2), completed(2, 2)], other),
        (vec![scheduled(1), timer(2), fired(3, 1)], other),
        (vec![timer(1), timer(1)], "operations are numbered in order"),
        (vec![cancel_requested(), cancel_requested()], "a run is asked to cancel once"),
        (
            vec![signaled(Some("a")), signaled(None), signaled(Some("a"))],
            "a repeat of a signal is not recorded",
        ),
        (vec![run_completed(), cancel_requested()], "nothing follows a closing event"),
    ];
    for (after_start, expected) in cases {
        let events = numbered(std::iter::once(started()).chain(after_start));
        let illegal = RunState::from_history(&events).expect_err(expected);
        assert_eq!(illegal.reason, expected);
        assert_eq!(illegal.id, EventId(events.len() as u64), "{expected}");
    }
}

#[test]
fn a_guest_asks_for_nothing_before_its_run_has_begun() {
    let EventAttributes::WorkflowExecutionStarted(mut delayed) = started() else {
        unreachable!("it is a start");
    };
    delayed.options.delayed_until = Some(Timestamp::from_micros(9));
    let delayed = EventAttributes::WorkflowExecutionStarted(delayed);
    let ended = EventAttributes::WorkflowExecutionDelayEnded {};
    assert_illegal(
        &numbered([delayed.clone(), timer(1)]),
        "event 2 (TimerStarted) can't be there: the run has not begun",
    );
    let begun = numbered([delayed, signaled(None), ended, timer(1)]);
    RunState::from_history(&begun).expect("a legal history");
}

#[test]
fn an_operation_is_open_from_its_start_to_its_end() {
    let state = state_of([scheduled(1), timer(2)]);
    assert_eq!(state.operation_event(OperationId(1)), Some(EventId(2)));
    assert_eq!(state.operation_event(OperationId(2)), Some(EventId(3)));
    assert_eq!(state.operation_event(OperationId(3)), None);

    let state = state_of([scheduled(1), timer(2), fired(3, 2)]);
    assert_eq!((state.pending_operations(), state.timers.len()), (1, 0));

    let state = state_of([scheduled(1), timer(2), run_completed()]);
    assert_eq!(state.status, ExecutionStatus::Completed);
    assert_eq!((state.pending_operations(), state.activities.len()), (0, 0));
}

#[test]
fn signals_are_counted_and_known_by_their_requests_also_after_the_end() {
    let state = state_of([signaled(None), signaled(Some("a")), signaled(None), run_completed()]);
    assert_eq!(state.signals, 3);
    for (id, known) in [("a", true), ("b", false)] {
        assert_eq!(state.has_signal_request(&RequestId::new(id).expect("a valid id")), known);
    }
}

#[test]
fn a_run_is_blocked_from_a_fault_to_the_next_thing_its_guest_asks_for() {
    let blocked = [timer(1), task_failed()];
    let status =
        |later: Vec<EventAttributes>| state_of(blocked.iter().cloned().chain(later)).status;
    assert_eq!(status(Vec::new()), ExecutionStatus::Blocked);
    assert_eq!(status(vec![fired(2, 1)]), ExecutionStatus::Blocked);
    assert_eq!(status(vec![fired(2, 1), timer(2)]), ExecutionStatus::Running);
    assert_eq!(status(vec![run_completed()]), ExecutionStatus::Completed);
}

#[test]
fn a_planned_retry_is_of_a_pending_activity() {
    let failure = || Failure::new(FailureKind::Application, "Declined", "no");
    let at = Timestamp::from_micros(7);
    let mut state = state_of([scheduled(1), timer(2)]);
    assert!(state.plan_retry(EventId(2), 2, at, failure(), None));
    let activity = &state.activities[&EventId(2)];
    assert_eq!((activity.attempt, activity.retry_at()), (2, Some(at)));
    assert_eq!(activity.last_failure, Some(failure()));
    assert!(!state.plan_retry(EventId(3), 2, at, failure(), None), "a timer is not retried");
    state.note_begun(EventId(2), 1);
    assert_eq!(state.activities[&EventId(2)].duty(), None, "that was another attempt");
    state.note_begun(EventId(2), 2);
    assert_eq!(state.activities[&EventId(2)].duty(), Some(ActivityDuty::RunAttempt));
}
