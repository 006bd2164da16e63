//! Attempts that are completed from outside.

use dacapo_model::event::{EventAttributes, OpenAttempt, TimeoutType};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::EventId;
use dacapo_model::limits::Limits;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::TimerKind;

use super::activity::{returned, running, stopped, timed_out};
use super::{ActivityTarget, Refusal, Report, activity_queue, has_room};
use crate::state::RunState;
use crate::transition::{TimerChange, Transition};

/// Leaves the current attempt to somebody outside, whatever becomes of the instance
/// that asked for it. This is recorded before anybody outside can know of it.
pub(super) fn move_outside(
    state: &mut RunState,
    event_id: EventId,
    open: OpenAttempt,
    now: Timestamp,
    limits: &Limits,
) -> Result<Transition, Refusal> {
    let activity = running(state, event_id, open.number)?;
    // A worker keeps its lease for as long as somebody else works on it.
    if activity.outside().is_some() || activity.is_queued() {
        return Err(Refusal::Stale);
    }
    has_room(state, limits.history_events_max)?;
    let attempt = activity.attempt;
    let (last_failure, details) =
        (activity.last_failure.clone(), activity.heartbeat_details.clone());
    let attributes = EventAttributes::ActivityTaskStarted {
        scheduled_event_id: event_id,
        attempt: activity.attempt_number(),
        open: Some(Box::new(open)),
    };
    let mut transition = Transition::default();
    transition.record(state, now, attributes);
    let outside = state.activities.get(&event_id).and_then(|activity| activity.outside());
    let fire_at = outside.map_or(now, |outside| outside.deadline);
    state.note_deadline(event_id, fire_at, last_failure.clone(), details.clone());
    let timer = TimerChange::Set {
        event_id,
        fire_at,
        kind: TimerKind::ActivityTimeout { attempt, last_failure, details },
    };
    transition.timers.push(timer);
    Ok(transition)
}

/// Finds the attempt that somebody outside means: its event and its number.
pub fn find(state: &RunState, target: &ActivityTarget) -> Result<(EventId, u32), Refusal> {
    let event_id = match target {
        ActivityTarget::Operation(operation_id) => {
            state.operation_event(*operation_id).ok_or(Refusal::NoSuchActivity)?
        }
        ActivityTarget::Token { scheduled_event_id, .. }
        | ActivityTarget::Lease { scheduled_event_id, .. } => *scheduled_event_id,
    };
    let activity = state.activities.get(&event_id).ok_or(Refusal::NoSuchActivity)?;
    if activity.is_queued() {
        return activity_queue::find(activity, target).map(|attempt| (event_id, attempt));
    }
    match (activity.outside(), target) {
        (Some(_), ActivityTarget::Operation(_)) => Ok((event_id, activity.attempt)),
        (Some(outside), ActivityTarget::Token { digest, .. })
            if outside.token_digest == *digest =>
        {
            Ok((event_id, activity.attempt))
        }
        (None, ActivityTarget::Operation(_)) => Err(Refusal::ActivityNotOpen),
        // A token of an attempt that is over, or of none.
        (_, ActivityTarget::Token { .. } | ActivityTarget::Lease { .. }) => {
            Err(Refusal::NoSuchActivity)
        }
    }
}

/// Ends an attempt as somebody outside says.
pub(super) fn reported(
    state: &mut RunState,
    target: &ActivityTarget,
    report: Report,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    let (event_id, attempt) = find(state, target)?;
    match report {
        Report::Completed(result) => returned(state, event_id, attempt, Ok(result), now),
        Report::Failed(failure) => returned(state, event_id, attempt, Err(failure), now),
        Report::Canceled(failure) => match stopped(state, event_id, attempt, failure, now) {
            Err(Refusal::Stale) => Err(Refusal::CancelNotRequested),
            decided => decided,
        },
    }
}

/// Ends an attempt outside whose deadline has come.
pub(super) fn overdue(
    state: &mut RunState,
    event_id: EventId,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    let activity = state.activities.get(&event_id).ok_or(Refusal::Stale)?;
    let outside = activity.outside().ok_or(Refusal::Stale)?;
    if now < outside.deadline {
        return Err(Refusal::TooEarly(outside.deadline));
    }
    let (attempt, options) = (activity.attempt, &activity.options);
    if activity.cancel_until().is_some_and(|until| until <= now) {
        return stopped(state, event_id, attempt, not_in_time(), now);
    }
    let timeout_type = if activity.close_by().is_some_and(|close_by| close_by <= now) {
        TimeoutType::ScheduleToClose
    } else if outside.started_at.after(options.start_to_close_timeout) <= now {
        TimeoutType::StartToClose
    } else {
        TimeoutType::Heartbeat
    };
    timed_out(state, event_id, attempt, timeout_type, now)
}

/// The outcome of an activity that was asked to cancel and went on.
pub fn not_in_time() -> Failure {
    Failure::new(
        FailureKind::Cancelled,
        "Cancelled",
        "the activity was asked to cancel, and was stopped as it did not end within its grace \
         period",
    )
}

/// The outcome of an activity that was asked to cancel while nothing ran for it.
pub fn not_running() -> Failure {
    Failure::new(
        FailureKind::Cancelled,
        "Cancelled",
        "the activity was asked to cancel while no attempt of it ran",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dacapo_model::event::ActivityOptions;
    use dacapo_model::ids::OperationId;
    use dacapo_model::payload::Payload;

    use super::*;
    use crate::decide::Input;
    use crate::decide::fixtures::*;

    fn opens(attempt: u32, began: u64) -> Input {
        let open = OpenAttempt {
            number: attempt,
            started_at: at(began),
            token_digest: format!("digest {attempt}"),
        };
        Input::ActivityMovedOutside { scheduled_event_id: EVENT, open }
    }

    fn by_token(attempt: u32) -> ActivityTarget {
        let digest = format!("digest {attempt}");
        ActivityTarget::Token { scheduled_event_id: EVENT, digest }
    }

    fn by_name() -> ActivityTarget {
        ActivityTarget::Operation(OperationId(1))
    }

    fn reports(activity: ActivityTarget, report: Report) -> Input {
        Input::ActivityReported { activity, report }
    }

    fn done() -> Report {
        Report::Completed(Payload::new("true"))
    }

    fn opened(options: ActivityOptions) -> RunState {
        let mut state = with_activity(options);
        input(&mut state, 12, opens(1, 11)).expect("it runs");
        state
    }

    fn within(heartbeat: Option<u64>, all: Option<u64>) -> ActivityOptions {
        ActivityOptions {
            heartbeat_timeout: heartbeat.map(Duration::from_secs),
            schedule_to_close_timeout: all.map(Duration::from_secs),
            ..options()
        }
    }

    fn beats(heard_at: u64) -> Input {
        Input::ActivityHeartbeat {
            scheduled_event_id: EVENT,
            attempt: 1,
            details: None,
            heard_at: at(heard_at),
        }
    }

    #[test]
    fn an_open_attempt_is_recorded_with_a_row_for_its_timeout() {
        let mut state = with_activity(options());
        let transition = input(&mut state, 12, opens(1, 11)).expect("it runs");
        assert_eq!(event_types(&transition), ["ActivityTaskStarted"]);
        let row = TimerChange::Set {
            event_id: EVENT,
            fire_at: at(71),
            kind: TimerKind::ActivityTimeout { attempt: 1, last_failure: None, details: None },
        };
        assert_eq!(transition.timers, [row], "the attempt has run since second 11");
        assert_eq!(state.activities[&EVENT].duty(), None, "after a crash it is not run again");
        assert_eq!(input(&mut state, 12, opens(1, 11)), Err(Refusal::Stale), "it is open");
    }

    #[test]
    fn a_report_closes_the_activity_once() {
        for target in [by_token(1), by_name()] {
            let mut state = opened(options());
            let transition = input(&mut state, 13, reports(target.clone(), done())).expect("open");
            assert_eq!(event_types(&transition), ["ActivityTaskCompleted"]);
            assert_eq!(transition.timers, [clear()]);
            let again = input(&mut state, 13, reports(target, done()));
            assert_eq!(again, Err(Refusal::NoSuchActivity));
        }
    }

    #[test]
    fn a_failure_from_outside_is_tried_again_and_the_old_token_is_of_no_use() {
        let mut state = opened(options());
        let failed = reports(by_token(1), Report::Failed(declined()));
        let transition = input(&mut state, 13, failed).expect("it is open");
        assert!(matches!(
            transition.timers[..],
            [TimerChange::Set { kind: TimerKind::ActivityRetry { attempt: 2, .. }, .. }]
        ));
        assert_eq!(
            input(&mut state, 13, reports(by_name(), done())),
            Err(Refusal::ActivityNotOpen),
            "attempt 2 has not begun"
        );
        input(&mut state, 14, row_is_due()).expect("its time has come");
        input(&mut state, 15, opens(2, 14)).expect("it runs");
        let stale = input(&mut state, 16, reports(by_token(1), done()));
        assert_eq!(stale, Err(Refusal::NoSuchActivity));
        input(&mut state, 16, reports(by_token(2), done())).expect("it is open");
    }

    #[test]
    fn an_attempt_that_runs_here_is_nobody_elses_to_complete() {
        let mut state = with_activity(options());
        let refused = input(&mut state, 13, reports(by_name(), done()));
        assert_eq!(refused, Err(Refusal::ActivityNotOpen));
        let unknown = ActivityTarget::Operation(OperationId(7));
        let refused = input(&mut state, 13, reports(unknown, done()));
        assert_eq!(refused, Err(Refusal::NoSuchActivity));
    }

    #[test]
    fn the_nearest_timeout_ends_an_open_attempt() {
        for (options, ends_at, event) in [
            (options(), 71, None),
            (within(Some(20), None), 32, None),
            (within(None, Some(30)), 40, Some("ActivityTaskTimedOut")),
        ] {
            let mut state = opened(options);
            let early = input(&mut state, ends_at - 1, row_is_due());
            assert_eq!(early, Err(Refusal::TooEarly(at(ends_at))));
            let transition = input(&mut state, ends_at, row_is_due()).expect("its time has come");
            assert_eq!(event_types(&transition), Vec::from_iter(event), "others are retried");
            assert!(state.activities.values().all(|activity| activity.outside().is_none()));
        }
    }

    #[test]
    fn a_heartbeat_from_outside_moves_the_deadline() {
        let mut state = opened(within(Some(20), None));
        let transition = input(&mut state, 31, beats(30)).expect("it is open");
        assert!(matches!(
            transition.timers[..],
            [TimerChange::Set { fire_at, kind: TimerKind::ActivityTimeout { .. }, .. }]
                if fire_at == at(50)
        ));
        assert_eq!(input(&mut state, 32, row_is_due()), Err(Refusal::TooEarly(at(50))));
        input(&mut state, 60, beats(60)).expect("it is open, though late");
        assert_eq!(input(&mut state, 70, row_is_due()), Err(Refusal::TooEarly(at(71))));
        input(&mut state, 71, row_is_due()).expect("that is all an attempt may take");
        let failure = state.activities[&EVENT].last_failure.as_ref().expect("it is kept");
        assert_eq!(failure.info.type_name, "StartToClose");
    }

    #[test]
    fn an_open_attempt_that_was_asked_to_cancel_has_its_grace_period() {
        let mut state = opened(options());
        let cancelled = || Failure::new(FailureKind::Cancelled, "Cancelled", "half done");
        let unasked = reports(by_token(1), Report::Canceled(cancelled()));
        assert_eq!(input(&mut state, 13, unasked.clone()), Err(Refusal::CancelNotRequested));
        let transition = take_turn(&mut state, 20, [ask_to_cancel(1, 5)]);
        assert!(matches!(
            transition.timers[..],
            [TimerChange::Set { fire_at, kind: TimerKind::ActivityTimeout { .. }, .. }]
                if fire_at == at(25)
        ));
        let transition = input(&mut state.clone(), 21, unasked).expect("it was asked");
        assert_eq!(event_types(&transition), ["ActivityTaskCanceled"]);
        let transition = input(&mut state, 25, row_is_due()).expect("its time has come");
        assert_eq!(event_types(&transition), ["ActivityTaskCanceled"]);
        assert_eq!(transition.timers, [clear()]);
    }

    #[test]
    fn a_full_history_refuses_to_leave_an_attempt_open() {
        let mut state = with_activity(options());
        let limits = Limits { history_events_max: 2, ..Limits::default() };
        let refused = crate::decide::decide(&mut state, opens(1, 11), at(12), &limits);
        assert_eq!(refused, Err(Refusal::HistoryFull { max: 2 }));
    }
}
