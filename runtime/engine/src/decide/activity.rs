//! An attempt of an activity ended.

use dacapo_model::event::{EventAttributes, TimeoutType};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::EventId;
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryState;
use dacapo_model::time::Timestamp;

use super::Refusal;
use crate::state::{PendingActivity, RunState};
use crate::transition::{TimerChange, Transition};

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
    // As it will be read back, so that the guest sees the same on replay.
    let attributes = match outcome.map_err(Failure::bounded) {
        Ok(result) => EventAttributes::ActivityTaskCompleted {
            scheduled_event_id,
            operation_id,
            attempt,
            result,
        },
        Err(failure) => match next_attempt(activity, attempt, &failure, now) {
            Ok(retry_at) => {
                return Ok(plan(state, scheduled_event_id, attempt, retry_at, failure));
            }
            Err(RetryState::Timeout) => EventAttributes::ActivityTaskTimedOut {
                scheduled_event_id,
                operation_id,
                attempt,
                timeout_type: TimeoutType::ScheduleToClose,
                last_failure: Some(failure),
            },
            Err(retry_state) => EventAttributes::ActivityTaskFailed {
                scheduled_event_id,
                operation_id,
                attempt,
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
    let last_failure = activity.last_failure.clone();
    if timeout_type == TimeoutType::StartToClose {
        let failure = timeout_failure(timeout_type, attempt);
        if let Ok(retry_at) = next_attempt(activity, attempt, &failure, now) {
            return Ok(plan(state, scheduled_event_id, attempt, retry_at, failure));
        }
    }
    let attributes = EventAttributes::ActivityTaskTimedOut {
        scheduled_event_id,
        operation_id,
        attempt,
        timeout_type,
        last_failure,
    };
    Ok(close(state, scheduled_event_id, now, attributes))
}

/// The activity whose attempt this is, if it is the current one.
fn running(
    state: &RunState,
    scheduled_event_id: EventId,
    attempt: u32,
) -> Result<&PendingActivity, Refusal> {
    state
        .activities
        .get(&scheduled_event_id)
        .filter(|activity| activity.attempt == attempt && activity.retry_at.is_none())
        .ok_or(Refusal::Stale)
}

fn next_attempt(
    activity: &PendingActivity,
    attempt: u32,
    failure: &Failure,
    now: Timestamp,
) -> Result<Timestamp, RetryState> {
    let elapsed = now.since(activity.scheduled_at);
    let remaining =
        activity.options.schedule_to_close_timeout.map(|timeout| timeout.saturating_sub(elapsed));
    let delay = activity.options.retry.next_delay(attempt, failure, remaining)?;
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
    state.plan_retry(event_id, attempt, fire_at, last_failure.clone());
    let timer = TimerChange::SetRetry { event_id, fire_at, attempt, last_failure };
    Transition { timers: vec![timer], ..Transition::default() }
}

fn close(
    state: &mut RunState,
    event_id: EventId,
    now: Timestamp,
    attributes: EventAttributes,
) -> Transition {
    let mut transition = Transition::default();
    // Later attempts have a row (see `timer::due`); a first attempt has none.
    if state.activities.get(&event_id).is_some_and(|activity| activity.attempt > 1) {
        transition.timers.push(TimerChange::Clear { event_id });
    }
    transition.record(state, now, attributes);
    transition
}

fn timeout_failure(timeout_type: TimeoutType, attempt: u32) -> Failure {
    let message = format!("attempt {attempt} took longer than its start-to-close timeout");
    Failure::new(FailureKind::Timeout, timeout_type.type_name(), message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dacapo_model::event::ActivityOptions;
    use dacapo_model::ids::OperationId;

    use super::*;
    use crate::decide::Input;
    use crate::decide::fixtures::*;

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
        assert_eq!(state.open_operations(), 0);
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
            let [TimerChange::SetRetry { event_id, fire_at, attempt: next, last_failure }] =
                &transition.timers[..]
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
        assert_eq!((pending.attempt, pending.retry_at), (2, Some(at(71))));
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
}
