//! An attempt of an activity ended, or is alive.

use dacapo_model::event::{EventAttributes, TimeoutType};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::EventId;
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryState;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::{NEVER, TimerKind};

use super::Refusal;
use super::activity_queue::requeue;
use crate::state::{PendingActivity, RunState};
use crate::transition::{TimerChange, Transition};

/// The type of the failure with which an attempt of a paused activity ends early.
/// The attempt is made again when the activity is unpaused, whatever the policy says.
pub const PAUSED: &str = "ActivityPaused";

/// An attempt returned a result or a failure.
pub(super) fn returned(
    state: &mut RunState,
    scheduled_event_id: EventId,
    attempt: u32,
    outcome: Result<Payload, Failure>,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    let activity = running(state, scheduled_event_id, attempt)?;
    let operation_id = activity.operation_id;
    let number = activity.attempt_number();
    // As it will be read back, so that the guest sees the same on replay.
    let attributes = match outcome.map_err(Failure::bounded) {
        Ok(result) => EventAttributes::ActivityTaskCompleted {
            scheduled_event_id,
            operation_id,
            attempt: number,
            result,
        },
        Err(failure) if activity.cancel.is_some() && is_cancelled(&failure) => {
            EventAttributes::ActivityTaskCanceled {
                scheduled_event_id,
                operation_id,
                failure: Some(failure),
            }
        }
        Err(failure) => match next_attempt(activity, &failure, now) {
            Ok(retry_at) => {
                return Ok(plan(state, scheduled_event_id, attempt, retry_at, failure));
            }
            Err(RetryState::Timeout) => EventAttributes::ActivityTaskTimedOut {
                scheduled_event_id,
                operation_id,
                attempt: number,
                timeout_type: TimeoutType::ScheduleToClose,
                last_failure: Some(failure),
            },
            Err(retry_state) => EventAttributes::ActivityTaskFailed {
                scheduled_event_id,
                operation_id,
                attempt: number,
                failure,
                retry_state,
            },
        },
    };
    Ok(close(state, scheduled_event_id, now, attributes))
}

/// An attempt was stopped by a timeout.
pub(super) fn timed_out(
    state: &mut RunState,
    scheduled_event_id: EventId,
    attempt: u32,
    timeout_type: TimeoutType,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    let activity = running(state, scheduled_event_id, attempt)?;
    let operation_id = activity.operation_id;
    let number = activity.attempt_number();
    let last_failure = activity.last_failure.clone();
    if timeout_type.is_retried() {
        let failure = timeout_failure(activity, timeout_type);
        if let Ok(retry_at) = next_attempt(activity, &failure, now) {
            return Ok(plan(state, scheduled_event_id, attempt, retry_at, failure));
        }
    }
    let attributes = EventAttributes::ActivityTaskTimedOut {
        scheduled_event_id,
        operation_id,
        attempt: number,
        timeout_type,
        last_failure,
    };
    Ok(close(state, scheduled_event_id, now, attributes))
}

/// An attempt is alive. What it says is kept for the next one.
pub(super) fn heartbeat(
    state: &mut RunState,
    event_id: EventId,
    attempt: u32,
    details: Option<Payload>,
    heard_at: Timestamp,
) -> Result<Transition, Refusal> {
    let activity = running(state, event_id, attempt)?;
    let last_failure = activity.last_failure.clone();
    let timer = match activity.outside() {
        Some(outside) => {
            let fire_at = activity.deadline(outside.started_at, heard_at);
            let details = details.or_else(|| activity.heartbeat_details.clone());
            state.note_deadline(event_id, fire_at, last_failure.clone(), details.clone());
            TimerChange::Set {
                event_id,
                fire_at,
                kind: TimerKind::ActivityTimeout { attempt, last_failure, details },
            }
        }
        // Its lease is prolonged where it is, and its row has the details.
        None if activity.is_queued() => return Err(Refusal::Stale),
        None => {
            let Some(details) = details else {
                return Ok(Transition::default());
            };
            state.note_heartbeat(event_id, attempt, last_failure.clone(), details.clone());
            TimerChange::Set {
                event_id,
                fire_at: NEVER,
                kind: TimerKind::ActivityHeartbeat { attempt, last_failure, details },
            }
        }
    };
    Ok(Transition { timers: vec![timer], ..Transition::default() })
}

/// An activity that was asked to cancel has nothing that runs for it any more.
pub(super) fn stopped(
    state: &mut RunState,
    scheduled_event_id: EventId,
    attempt: u32,
    failure: Failure,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    let activity = state
        .activities
        .get(&scheduled_event_id)
        .filter(|activity| activity.attempt == attempt && activity.cancel.is_some())
        .ok_or(Refusal::Stale)?;
    let attributes = EventAttributes::ActivityTaskCanceled {
        scheduled_event_id,
        operation_id: activity.operation_id,
        failure: Some(failure.bounded()),
    };
    Ok(close(state, scheduled_event_id, now, attributes))
}

/// The activity whose attempt this is, if it is the current one.
pub(super) fn running(
    state: &RunState,
    scheduled_event_id: EventId,
    attempt: u32,
) -> Result<&PendingActivity, Refusal> {
    state
        .activities
        .get(&scheduled_event_id)
        .filter(|activity| activity.attempt == attempt && activity.retry_at().is_none())
        .ok_or(Refusal::Stale)
}

pub(super) fn is_cancelled(failure: &Failure) -> bool {
    failure.info.kind == FailureKind::Cancelled
}

fn next_attempt(
    activity: &PendingActivity,
    failure: &Failure,
    now: Timestamp,
) -> Result<Timestamp, RetryState> {
    if activity.cancel.is_some() {
        return Err(RetryState::CancelRequested);
    }
    if activity.paused && failure.info.type_name == PAUSED {
        return Ok(now);
    }
    let elapsed = now.since(activity.scheduled_at);
    let remaining =
        activity.options.schedule_to_close_timeout.map(|timeout| timeout.saturating_sub(elapsed));
    let number = activity.attempt_number();
    let delay = activity.options.retry.next_delay(number, failure, remaining)?;
    Ok(now.after(delay))
}

fn plan(
    state: &mut RunState,
    event_id: EventId,
    attempt: u32,
    fire_at: Timestamp,
    last_failure: Failure,
) -> Transition {
    // Four billion attempts are the same as no limit.
    let attempt = attempt.saturating_add(1);
    let last_failure = last_failure.while_retried();
    if state.activities.get(&event_id).is_some_and(PendingActivity::is_queued) {
        return requeue(state, event_id, attempt, fire_at, last_failure);
    }
    let details = state.activities.get(&event_id).and_then(|it| it.heartbeat_details.clone());
    state.plan_retry(event_id, attempt, fire_at, last_failure.clone(), details.clone());
    let timer = TimerChange::Set {
        event_id,
        fire_at,
        kind: TimerKind::ActivityRetry { attempt, last_failure, details },
    };
    Transition { timers: vec![timer], ..Transition::default() }
}

pub(super) fn close(
    state: &mut RunState,
    event_id: EventId,
    now: Timestamp,
    attributes: EventAttributes,
) -> Transition {
    let mut transition = Transition::default();
    transition.remove_rows(state, event_id);
    transition.record(state, now, attributes);
    transition
}

fn timeout_failure(activity: &PendingActivity, timeout_type: TimeoutType) -> Failure {
    let attempt = activity.attempt_number();
    let message = match timeout_type {
        TimeoutType::Heartbeat if activity.options.heartbeat_timeout.is_none() => {
            format!("the worker of attempt {attempt} was silent until its lease was over")
        }
        TimeoutType::Heartbeat => {
            format!("attempt {attempt} was silent for longer than its heartbeat timeout")
        }
        _ => format!("attempt {attempt} took longer than its start-to-close timeout"),
    };
    Failure::new(FailureKind::Timeout, timeout_type.type_name(), message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dacapo_model::event::{ActivityOptions, RunOptions, WorkflowExecutionStarted};
    use dacapo_model::ids::OperationId;

    use super::*;
    use crate::decide::fixtures::*;
    use crate::decide::{Input, start};

    fn timed_out(attempt: u32, timeout_type: TimeoutType) -> Input {
        Input::ActivityTimedOut { scheduled_event_id: EVENT, attempt, timeout_type }
    }

    fn within(seconds: u64) -> ActivityOptions {
        let schedule_to_close_timeout = Some(Duration::from_secs(seconds));
        ActivityOptions { schedule_to_close_timeout, ..options() }
    }

    #[test]
    fn a_result_closes_the_activity() {
        let mut state = with_activity(options());
        let transition = input(&mut state, 12, returns(1, Ok(Payload::new("true")))).expect("runs");
        assert_eq!(
            *only_event(&transition),
            EventAttributes::ActivityTaskCompleted {
                scheduled_event_id: EVENT,
                operation_id: OperationId(1),
                attempt: 1,
                result: Payload::new("true"),
            }
        );
        assert_eq!(transition.timers, [], "a first attempt has no row");
        assert_eq!(state.pending_operations(), 0);
    }

    #[test]
    fn attempts_that_fail_at_once_are_made_after_0_1_3_and_7_seconds() {
        let mut state = with_activity(attempts(4));
        let mut made_after = Vec::new();
        let mut seconds = 10;
        for attempt in 1..=3 {
            made_after.push(seconds - 10);
            let transition =
                input(&mut state, seconds, returns(attempt, Err(declined()))).expect("runs");
            let [
                TimerChange::Set {
                    event_id,
                    fire_at,
                    kind: TimerKind::ActivityRetry { attempt: next, last_failure, .. },
                },
            ] = &transition.timers[..]
            else {
                panic!("a retry was expected: {transition:?}");
            };
            assert_eq!((*event_id, *next, last_failure), (EVENT, attempt + 1, &declined()));
            assert_eq!(transition.events, [], "attempts before the last are not history");
            assert_eq!(transition.effects, []);
            seconds = fire_at.since(at(0)).as_secs();
            let transition = input(&mut state, seconds, row_is_due()).expect("its time has come");
            assert_eq!(transition.effects, [run_activity()]);
            assert!(transition.is_empty(), "there is nothing to commit");
        }
        made_after.push(seconds - 10);
        assert_eq!(made_after, [0, 1, 3, 7]);

        let transition = input(&mut state, seconds, returns(4, Err(declined()))).expect("runs");
        assert_eq!(
            *only_event(&transition),
            EventAttributes::ActivityTaskFailed {
                scheduled_event_id: EVENT,
                operation_id: OperationId(1),
                attempt: 4,
                failure: declined(),
                retry_state: RetryState::MaximumAttemptsReached,
            }
        );
        assert_eq!(transition.timers, [clear()]);
    }

    #[test]
    fn a_failure_that_is_not_retryable_ends_the_activity_at_once() {
        let mut by_type = options();
        by_type.retry.non_retryable_types = vec!["Declined".to_owned()];
        for (options, failure) in [(by_type, declined()), (options(), declined().non_retryable())] {
            let mut state = with_activity(options);
            let transition = input(&mut state, 10, returns(1, Err(failure))).expect("runs");
            let EventAttributes::ActivityTaskFailed { retry_state, attempt, .. } =
                only_event(&transition)
            else {
                panic!("a failure was expected: {transition:?}");
            };
            assert_eq!((*retry_state, *attempt), (RetryState::NonRetryableFailure, 1));
            assert!(state.activities.is_empty());
        }
    }

    #[test]
    fn no_timeout_of_an_activity_is_longer_than_its_run_may_take() {
        let seconds = Duration::from_secs;
        let run_of = |run: Option<u64>, execution: Option<u64>| {
            let (run_timeout, execution_timeout) = (run.map(seconds), execution.map(seconds));
            let options = RunOptions { run_timeout, execution_timeout, ..RunOptions::default() };
            let started = WorkflowExecutionStarted { options, ..start_attributes() };
            let (mut state, first) = start(started, [], [], at(10));
            let turn = take_turn(&mut state, 10, [schedule(1, options_of_90())]);
            let EventAttributes::ActivityTaskScheduled { options, .. } = only_event(&turn) else {
                panic!("an activity was to be scheduled: {turn:?}");
            };
            assert_eq!(*options, options_of_90(), "recorded as the guest asked");
            let history = first.events.iter().chain(&turn.events);
            assert_eq!(RunState::from_history(history), Ok(Some(state.clone())));
            state
        };
        let timeouts = |state: &RunState| {
            let options = &state.activities[&EVENT].options;
            (options.start_to_close_timeout, options.schedule_to_close_timeout)
        };
        assert_eq!(timeouts(&run_of(None, None)), (seconds(90), None));
        assert_eq!(timeouts(&run_of(Some(30), None)), (seconds(30), Some(seconds(30))));
        assert_eq!(timeouts(&run_of(Some(300), Some(40))), (seconds(40), Some(seconds(40))));
        assert_eq!(timeouts(&run_of(Some(300), None)), (seconds(90), Some(seconds(300))));

        // No attempt is planned that could not end in time.
        let mut state = run_of(Some(30), None);
        let mut failure = declined();
        failure.info.next_retry_delay = Some(seconds(40));
        let transition = input(&mut state, 11, returns(1, Err(failure))).expect("runs");
        assert_eq!(event_types(&transition), ["ActivityTaskTimedOut"]);
    }

    fn options_of_90() -> ActivityOptions {
        let start_to_close_timeout = Duration::from_secs(90);
        ActivityOptions { start_to_close_timeout, ..options() }
    }

    #[test]
    fn no_attempt_is_planned_past_schedule_to_close() {
        let mut state = with_activity(within(3));
        fail_once(&mut state);
        input(&mut state, 11, row_is_due()).expect("its time has come");
        let transition = input(&mut state, 11, returns(2, Err(declined()))).expect("runs");
        assert_eq!(
            *only_event(&transition),
            EventAttributes::ActivityTaskTimedOut {
                scheduled_event_id: EVENT,
                operation_id: OperationId(1),
                attempt: 2,
                timeout_type: TimeoutType::ScheduleToClose,
                last_failure: Some(declined()),
            }
        );
        assert_eq!(transition.timers, [clear()]);
    }

    #[test]
    fn an_attempt_that_took_too_long_is_made_again() {
        let mut state = with_activity(attempts(2));
        let transition =
            input(&mut state, 70, timed_out(1, TimeoutType::StartToClose)).expect("runs");
        assert_eq!(transition.events, []);
        let pending = &state.activities[&EVENT];
        assert_eq!((pending.attempt, pending.retry_at()), (2, Some(at(71))));
        let failure = pending.last_failure.as_ref().expect("it is kept");
        assert_eq!(failure.info.type_name, "StartToClose");
        assert_eq!(failure.info.message, "attempt 1 took longer than its start-to-close timeout");
    }

    #[test]
    fn the_last_attempt_that_took_too_long_ends_the_activity() {
        let mut state = with_activity(attempts(2));
        fail_once(&mut state);
        input(&mut state, 11, row_is_due()).expect("its time has come");
        let transition =
            input(&mut state, 71, timed_out(2, TimeoutType::StartToClose)).expect("runs");
        assert_eq!(
            *only_event(&transition),
            EventAttributes::ActivityTaskTimedOut {
                scheduled_event_id: EVENT,
                operation_id: OperationId(1),
                attempt: 2,
                timeout_type: TimeoutType::StartToClose,
                last_failure: Some(declined()),
            }
        );
        assert_eq!(transition.timers, [clear()]);
    }

    #[test]
    fn a_timeout_type_can_be_declared_not_retryable() {
        let mut options = options();
        options.retry.non_retryable_types = vec!["StartToClose".to_owned()];
        let mut state = with_activity(options);
        let transition =
            input(&mut state, 70, timed_out(1, TimeoutType::StartToClose)).expect("runs");
        assert_eq!(event_types(&transition), ["ActivityTaskTimedOut"]);
    }

    #[test]
    fn running_out_of_all_time_ends_the_activity_whatever_the_policy() {
        let mut state = with_activity(within(3));
        // The worker's clock decides, even if this one is behind.
        let transition =
            input(&mut state, 11, timed_out(1, TimeoutType::ScheduleToClose)).expect("runs");
        assert_eq!(event_types(&transition), ["ActivityTaskTimedOut"]);
    }

    #[test]
    fn a_failure_is_kept_as_a_store_gives_it_back() {
        let mut failure = declined();
        failure.info.next_retry_delay = Some(Duration::from_nanos(1_500));
        let mut state = with_activity(options());
        input(&mut state, 10, returns(1, Err(failure))).expect("runs");
        let kept = state.activities[&EVENT].last_failure.clone().expect("it is kept");
        assert_eq!(kept.info.next_retry_delay, Some(Duration::from_micros(2)));
    }

    #[test]
    fn only_the_attempt_that_runs_is_listened_to() {
        let done = Ok::<_, Failure>(Payload::new("true"));
        let mut state = with_activity(options());
        assert_eq!(input(&mut state, 10, returns(2, done.clone())), Err(Refusal::Stale));
        fail_once(&mut state);
        for attempt in [1, 2] {
            let waiting = input(&mut state, 10, returns(attempt, done.clone()));
            assert_eq!(waiting, Err(Refusal::Stale), "attempt 2 has not begun");
            let waiting = input(&mut state, 10, timed_out(attempt, TimeoutType::StartToClose));
            assert_eq!(waiting, Err(Refusal::Stale));
        }
        input(&mut state, 11, row_is_due()).expect("its time has come");
        assert_eq!(input(&mut state, 11, returns(1, done.clone())), Err(Refusal::Stale));
        input(&mut state, 11, returns(2, done.clone())).expect("attempt 2 runs");
        assert_eq!(input(&mut state, 11, returns(2, done)), Err(Refusal::Stale));
    }

    #[test]
    fn an_attempt_that_was_lost_with_its_node_is_not_repeated_if_it_is_the_only_one() {
        let mut state = with_activity(attempts(1));
        assert!(state.activities[&EVENT].started);
        let lost = Failure::new(FailureKind::Application, "Lost", "the node died");
        let transition = input(&mut state, 11, returns(1, Err(lost))).expect("runs");
        assert_eq!(event_types(&transition), ["ActivityTaskFailed"]);
        assert_eq!(transition.effects, []);
    }

    fn beats(attempt: u32, details: &str) -> Input {
        let details = Some(Payload::new(details.to_owned()));
        Input::ActivityHeartbeat { scheduled_event_id: EVENT, attempt, details, heard_at: at(10) }
    }

    #[test]
    fn what_a_heartbeat_says_is_kept_for_the_next_attempt() {
        let mut state = with_activity(options());
        let transition = input(&mut state, 10, beats(1, "7")).expect("it runs");
        assert_eq!(transition.events, [], "heartbeats are not history");
        let details = Payload::new("7");
        let row = TimerChange::Set {
            event_id: EVENT,
            fire_at: NEVER,
            kind: TimerKind::ActivityHeartbeat {
                attempt: 1,
                last_failure: None,
                details: details.clone(),
            },
        };
        assert_eq!(transition.timers, [row]);
        let transition = input(&mut state, 11, returns(1, Err(declined()))).expect("runs");
        let [TimerChange::Set { kind: TimerKind::ActivityRetry { details: kept, .. }, .. }] =
            &transition.timers[..]
        else {
            panic!("a retry was expected: {transition:?}");
        };
        assert_eq!(kept.as_ref(), Some(&details));
        assert_eq!(input(&mut state, 11, beats(1, "8")), Err(Refusal::Stale), "it is over");
        input(&mut state, 12, row_is_due()).expect("its time has come");
        let transition = input(&mut state, 12, returns(2, Ok(Payload::default()))).expect("runs");
        assert_eq!(transition.timers, [clear()]);
    }

    #[test]
    fn a_first_attempt_that_said_something_has_a_row_to_clear() {
        let mut state = with_activity(options());
        input(&mut state, 10, beats(1, "7")).expect("it runs");
        let transition = input(&mut state, 10, returns(1, Ok(Payload::default()))).expect("runs");
        assert_eq!(transition.timers, [clear()]);
    }

    #[test]
    fn silence_is_retried_and_waiting_for_a_worker_is_not() {
        let mut state = with_activity(attempts(2));
        let transition = input(&mut state, 70, timed_out(1, TimeoutType::Heartbeat)).expect("runs");
        assert_eq!(transition.events, []);
        let failure = state.activities[&EVENT].last_failure.as_ref().expect("it is kept");
        assert_eq!(failure.info.type_name, "Heartbeat");

        let mut state = with_activity(attempts(2));
        let transition =
            input(&mut state, 70, timed_out(1, TimeoutType::ScheduleToStart)).expect("runs");
        assert_eq!(event_types(&transition), ["ActivityTaskTimedOut"]);
    }

    fn asked(options: ActivityOptions) -> RunState {
        let mut state = with_activity(options);
        let transition = take_turn(&mut state, 11, [ask_to_cancel(1, 5)]);
        assert_eq!(event_types(&transition), ["ActivityTaskCancelRequested"]);
        assert_eq!(transition.effects, [tell_activity()]);
        assert_eq!(state.pending_operations(), 1, "it is waited for");
        state
    }

    #[test]
    fn an_activity_that_was_asked_to_cancel_ends_as_it_says() {
        let cancelled = Failure::new(FailureKind::Cancelled, "Cancelled", "half done");
        for (outcome, event) in [
            (Err(cancelled), "ActivityTaskCanceled"),
            (Err(declined()), "ActivityTaskFailed"),
            (Ok(Payload::default()), "ActivityTaskCompleted"),
        ] {
            let transition =
                input(&mut asked(options()), 12, returns(1, outcome)).expect("it runs");
            assert_eq!(event_types(&transition), [event], "and is not tried again");
        }
        let transition = input(&mut asked(options()), 12, timed_out(1, TimeoutType::StartToClose))
            .expect("it runs");
        assert_eq!(event_types(&transition), ["ActivityTaskTimedOut"]);
    }

    #[test]
    fn nothing_is_tried_again_after_a_request_to_cancel() {
        let stopped = |attempt| Input::ActivityStopped {
            scheduled_event_id: EVENT,
            attempt,
            failure: Failure::new(FailureKind::Cancelled, "Cancelled", "nothing ran"),
        };
        let mut state = with_activity(options());
        assert_eq!(input(&mut state, 10, stopped(1)), Err(Refusal::Stale), "nobody asked");
        fail_once(&mut state);
        take_turn(&mut state, 10, [ask_to_cancel(1, 5)]);
        let transition = input(&mut state, 10, stopped(2)).expect("it waits for attempt 2");
        assert_eq!(event_types(&transition), ["ActivityTaskCanceled"]);
        assert_eq!(transition.timers, [clear()]);
        assert_eq!(input(&mut state, 11, row_is_due()), Err(Refusal::Stale));
    }

    #[test]
    fn a_failure_that_says_cancelled_unasked_is_not_tried_again() {
        let cancelled = Failure::new(FailureKind::Cancelled, "Cancelled", "I give up");
        let transition =
            input(&mut with_activity(options()), 10, returns(1, Err(cancelled))).expect("it runs");
        assert_eq!(event_types(&transition), ["ActivityTaskFailed"]);
    }
}
