//! An operator holds an activity, lets it go on, or makes it start over.

use dacapo_model::event::{
    ActivityTaskPaused, ActivityTaskReset, ActivityTaskUnpaused, EventAttributes,
};
use dacapo_model::ids::{EventId, OperationId};
use dacapo_model::limits::Limits;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::{NEVER, TimerKind};

use super::{ActivityControl, Refusal, has_room};
use crate::state::RunState;
use crate::transition::{Effect, TimerChange, Transition};

/// Records it, so that it holds after a crash and people see who waits for whom.
pub(super) fn control(
    state: &mut RunState,
    operation_id: OperationId,
    control: ActivityControl,
    reason: String,
    now: Timestamp,
    limits: &Limits,
) -> Result<Transition, Refusal> {
    let event_id = state.operation_event(operation_id).ok_or(Refusal::NoSuchActivity)?;
    let activity = state.activities.get(&event_id).ok_or(Refusal::NoSuchActivity)?;
    let (paused, cancelled) = (activity.paused, activity.cancel.is_some());
    let is_there_already = match control {
        ActivityControl::Pause => paused,
        ActivityControl::Unpause => !paused,
        // It is about to end; starting over is not what the workflow wants.
        ActivityControl::Reset { .. } => cancelled,
    };
    if is_there_already {
        return Err(Refusal::Stale);
    }
    has_room(state, limits.history_events_max)?;
    match control {
        ActivityControl::Pause => Ok(pause(state, event_id, operation_id, reason, now)),
        ActivityControl::Unpause => Ok(unpause(state, event_id, operation_id, reason, now)),
        ActivityControl::Reset { forget_heartbeat } => {
            Ok(reset(state, event_id, operation_id, forget_heartbeat, reason, now))
        }
    }
}

fn pause(
    state: &mut RunState,
    scheduled_event_id: EventId,
    operation_id: OperationId,
    reason: String,
    now: Timestamp,
) -> Transition {
    let mut transition = Transition::default();
    let paused = ActivityTaskPaused { scheduled_event_id, operation_id, reason };
    transition.record(state, now, EventAttributes::ActivityTaskPaused(paused));
    transition.tell_attempt(state, scheduled_event_id);
    transition
}

/// An attempt that waits for its time begins at once.
fn unpause(
    state: &mut RunState,
    scheduled_event_id: EventId,
    operation_id: OperationId,
    reason: String,
    now: Timestamp,
) -> Transition {
    let mut transition = Transition::default();
    let unpaused = ActivityTaskUnpaused { scheduled_event_id, operation_id, reason };
    transition.record(state, now, EventAttributes::ActivityTaskUnpaused(unpaused));
    let Some(activity) = state.activities.get_mut(&scheduled_event_id) else {
        return transition;
    };
    let waited = activity.retry_at().is_some_and(|retry_at| retry_at > now);
    let begins = activity.retry_at().is_some();
    if begins || activity.is_queued() {
        activity.begin_attempt(now);
    }
    if let Some(last_failure) = activity.last_failure.clone().filter(|_| waited) {
        // After a crash it begins at once, too.
        transition.timers.push(TimerChange::Set {
            event_id: scheduled_event_id,
            fire_at: now,
            kind: TimerKind::ActivityRetry {
                attempt: activity.attempt,
                last_failure,
                details: activity.heartbeat_details.clone(),
            },
        });
    }
    match begins {
        true => transition.run_attempt(state, scheduled_event_id),
        false => transition.tell_attempt(state, scheduled_event_id),
    }
    transition
}

/// What runs is stopped. The attempts after it have numbers of their own, so that
/// nothing that is said about one of those before is taken for one of these.
fn reset(
    state: &mut RunState,
    scheduled_event_id: EventId,
    operation_id: OperationId,
    forget_heartbeat: bool,
    reason: String,
    now: Timestamp,
) -> Transition {
    let mut transition = Transition::default();
    let before = state.activities.get(&scheduled_event_id);
    let attempts_before = before.map_or(0, |activity| activity.attempt);
    let kept = before.and_then(|activity| activity.heartbeat_details.clone());
    let kept = kept.filter(|_| !forget_heartbeat);
    let reset = ActivityTaskReset { scheduled_event_id, operation_id, attempts_before, reason };
    transition.record(state, now, EventAttributes::ActivityTaskReset(reset));
    let Some(activity) = state.activities.get_mut(&scheduled_event_id) else {
        return transition;
    };
    activity.heartbeat_details = kept.clone();
    if activity.is_queued() {
        activity.begin_attempt(now);
        transition.run_attempt(state, scheduled_event_id);
        return transition;
    }
    let (event_id, attempt) = (scheduled_event_id, activity.attempt);
    if let Some(details) = kept {
        let timer = TimerChange::Set {
            event_id,
            fire_at: NEVER,
            kind: TimerKind::ActivityHeartbeat { attempt, last_failure: None, details },
        };
        transition.timers.push(timer);
    } else if std::mem::take(&mut activity.has_row) {
        transition.timers.push(TimerChange::Clear { event_id });
    }
    transition.effects.push(Effect::StopActivity { scheduled_event_id });
    transition.run_attempt(state, scheduled_event_id);
    transition
}

#[cfg(test)]
mod tests {
    use dacapo_model::failure::Failure;
    use dacapo_model::payload::Payload;

    use super::*;
    use crate::decide::Input;
    use crate::decide::activity::PAUSED;
    use crate::decide::fixtures::*;

    fn control(control: ActivityControl) -> Input {
        let reason = "the bank is closed".to_owned();
        Input::ControlActivity { operation_id: OperationId(1), control, reason }
    }

    const RESET: ActivityControl = ActivityControl::Reset { forget_heartbeat: false };

    fn done(attempt: u32) -> Input {
        returns(attempt, Ok(Payload::default()))
    }

    #[test]
    fn no_attempt_begins_while_an_activity_is_paused() {
        let mut state = with_activity(options());
        fail_once(&mut state);
        let transition = input(&mut state, 10, control(ActivityControl::Pause)).expect("pending");
        assert_eq!(event_types(&transition), ["ActivityTaskPaused"]);
        let transition = input(&mut state, 11, row_is_due()).expect("its time has come");
        assert_eq!((&transition.events[..], &transition.effects[..]), (&[][..], &[][..]));
        let [TimerChange::Set { fire_at, kind: TimerKind::ActivityRetry { attempt: 2, .. }, .. }] =
            transition.timers[..]
        else {
            panic!("its time is not to come again: {transition:?}");
        };
        assert!(fire_at > at(1_000_000), "{fire_at}");
        assert_eq!(input(&mut state, 11, row_is_due()), Err(Refusal::TooEarly(fire_at)));
        let again = input(&mut state, 12, control(ActivityControl::Pause));
        assert_eq!(again, Err(Refusal::Stale), "it is paused already");

        let transition =
            input(&mut state, 50, control(ActivityControl::Unpause)).expect("it is paused");
        assert_eq!(event_types(&transition), ["ActivityTaskUnpaused"]);
        assert_eq!(transition.effects, [run_activity()]);
        let [TimerChange::Set { fire_at, kind: TimerKind::ActivityRetry { .. }, .. }] =
            transition.timers[..]
        else {
            panic!("after a crash it begins, too: {transition:?}");
        };
        assert_eq!(fire_at, at(50));
        input(&mut state, 50, done(2)).expect("attempt 2 runs");
    }

    #[test]
    fn an_unpaused_activity_does_not_wait_for_its_time() {
        let mut state = with_activity(options());
        fail_once(&mut state);
        input(&mut state, 10, control(ActivityControl::Pause)).expect("it is pending");
        let transition =
            input(&mut state, 10, control(ActivityControl::Unpause)).expect("it is paused");
        assert_eq!(transition.effects, [run_activity()]);
        let [TimerChange::Set { fire_at, kind: TimerKind::ActivityRetry { attempt: 2, .. }, .. }] =
            transition.timers[..]
        else {
            panic!("after a crash it begins at once, too: {transition:?}");
        };
        assert_eq!(fire_at, at(10));
    }

    #[test]
    fn an_attempt_that_runs_goes_on_and_is_told() {
        let mut state = with_activity(options());
        for pause in [ActivityControl::Pause, ActivityControl::Unpause] {
            let transition = input(&mut state, 10, control(pause)).expect("it is pending");
            assert_eq!(transition.effects, [tell_activity()]);
        }
        input(&mut state, 10, done(1)).expect("attempt 1 runs");
    }

    #[test]
    fn an_attempt_that_makes_way_is_made_again_whatever_the_policy_says() {
        let mut state = with_activity(attempts(1));
        input(&mut state, 10, control(ActivityControl::Pause)).expect("it is pending");
        let makes_way =
            Failure::new(dacapo_model::failure::FailureKind::Application, PAUSED, "paused");
        let transition = input(&mut state, 11, returns(1, Err(makes_way))).expect("it runs");
        assert!(matches!(
            transition.timers[..],
            [TimerChange::Set { kind: TimerKind::ActivityRetry { attempt: 2, .. }, .. }]
        ));
        let transition =
            input(&mut state, 60, control(ActivityControl::Unpause)).expect("it is paused");
        assert_eq!(transition.effects, [run_activity()]);
    }

    #[test]
    fn a_reset_activity_starts_over_and_hears_no_more_of_the_attempts_before() {
        let mut state = with_activity(attempts(2));
        fail_once(&mut state);
        let transition = input(&mut state, 10, control(RESET)).expect("it is pending");
        assert_eq!(event_types(&transition), ["ActivityTaskReset"]);
        assert_eq!(transition.timers, [clear()]);
        assert_eq!(transition.effects, [stop_activity(), run_activity()]);
        let activity = &state.activities[&EVENT];
        assert_eq!((activity.attempt, activity.attempt_number()), (3, 1));
        assert_eq!(input(&mut state, 10, done(1)), Err(Refusal::Stale));
        let transition = input(&mut state, 10, returns(3, Err(declined()))).expect("it runs");
        assert!(matches!(
            transition.timers[..],
            [TimerChange::Set { kind: TimerKind::ActivityRetry { attempt: 4, .. }, .. }]
        ));
        input(&mut state, 11, row_is_due()).expect("its time has come");
        let transition = input(&mut state, 11, returns(4, Err(declined()))).expect("it runs");
        assert!(
            matches!(
                only_event(&transition),
                EventAttributes::ActivityTaskFailed { attempt: 2, .. }
            ),
            "attempts count from the reset: {transition:?}"
        );
    }

    #[test]
    fn a_reset_keeps_what_the_heartbeat_said_unless_it_is_to_be_forgotten() {
        for forget_heartbeat in [false, true] {
            let mut state = with_activity(options());
            let details = Some(Payload::new("7"));
            let beat = Input::ActivityHeartbeat {
                scheduled_event_id: EVENT,
                attempt: 1,
                details,
                heard_at: at(10),
            };
            input(&mut state, 10, beat).expect("it runs");
            let reset = control(ActivityControl::Reset { forget_heartbeat });
            let transition = input(&mut state, 11, reset).expect("it is pending");
            let kept = matches!(
                transition.timers[..],
                [TimerChange::Set { kind: TimerKind::ActivityHeartbeat { attempt: 2, .. }, .. }]
            );
            assert_eq!(kept, !forget_heartbeat);
            assert_eq!(state.activities[&EVENT].heartbeat_details.is_some(), !forget_heartbeat);
        }
    }

    #[test]
    fn only_what_is_pending_can_be_controlled_and_only_while_there_is_room() {
        assert_eq!(input(&mut begun(), 11, control(RESET)), Err(Refusal::NoSuchActivity));
        assert_eq!(input(&mut with_timer(), 11, control(RESET)), Err(Refusal::NoSuchActivity));
        let limits = Limits { history_events_max: 2, ..Limits::default() };
        let mut state = with_activity(options());
        let refused = crate::decide::decide(&mut state, control(RESET), at(11), &limits);
        assert_eq!(refused, Err(Refusal::HistoryFull { max: 2 }));
    }
}
