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
