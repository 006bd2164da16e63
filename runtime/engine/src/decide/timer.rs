//! The time of a timer row has come.

use dacapo_model::event::EventAttributes;
use dacapo_model::ids::EventId;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::{NEVER, TimerKind};

use super::{Refusal, activity_outside};
use crate::state::{Placement, RunState};
use crate::transition::{Effect, TimerChange, Transition};

/// Fires a timer, or starts the next attempt of an activity.
pub(super) fn due(
    state: &mut RunState,
    event_id: EventId,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    if let Some(timer) = state.timers.get(&event_id).copied() {
        if now < timer.due_at {
            return Err(Refusal::TooEarly(timer.due_at));
        }
        let mut transition = Transition::default();
        let attributes = EventAttributes::TimerFired {
            started_event_id: event_id,
            operation_id: timer.operation_id,
        };
        // The guest must not find that it woke too early.
        transition.record(state, now.max(timer.fire_at), attributes);
        transition.timers.push(TimerChange::Clear { event_id });
        return Ok(transition);
    }
    let activity = state.activities.get_mut(&event_id).ok_or(Refusal::Stale)?;
    let retry_at = match &activity.placement {
        Placement::Outside(_) => return activity_outside::overdue(state, event_id, now),
        Placement::Here | Placement::Queue { .. } => return Err(Refusal::Stale),
        Placement::Waiting { until } => *until,
    };
    if now < retry_at {
        return Err(Refusal::TooEarly(retry_at));
    }
    if activity.paused {
        return Ok(hold(state, event_id));
    }
    // The row stays until the activity closes: it is what says, after a crash,
    // which attempt this is. So there is nothing to commit.
    activity.begin_attempt(now);
    Ok(Transition {
        effects: vec![Effect::RunActivity { scheduled_event_id: event_id }],
        ..Transition::default()
    })
}

/// An attempt whose time has come while its activity is paused. Its row would be found
/// to be due over and over again, for as long as the pause takes.
fn hold(state: &mut RunState, event_id: EventId) -> Transition {
    let mut transition = Transition::default();
    if let Some(activity) = state.activities.get_mut(&event_id)
        && let Some(last_failure) = activity.last_failure.clone()
    {
        activity.placement = Placement::Waiting { until: NEVER };
        transition.timers.push(TimerChange::Set {
            event_id,
            fire_at: NEVER,
            kind: TimerKind::ActivityRetry {
                attempt: activity.attempt,
                last_failure,
                details: activity.heartbeat_details.clone(),
            },
        });
    }
    transition
}

#[cfg(test)]
mod tests {
    use dacapo_model::ids::OperationId;
    use dacapo_model::payload::Payload;

    use super::*;
    use crate::decide::Input;
    use crate::decide::fixtures::*;

    #[test]
    fn a_timer_fires_at_its_time_and_not_before() {
        let mut state = with_timer();
        assert_eq!(input(&mut state, 19, row_is_due()), Err(Refusal::TooEarly(at(20))));
        let transition = input(&mut state, 20, row_is_due()).expect("its time has come");
        let operation_id = OperationId(1);
        assert_eq!(
            *only_event(&transition),
            EventAttributes::TimerFired { started_event_id: EVENT, operation_id }
        );
        assert_eq!(transition.timers, [clear()]);
        assert_eq!(input(&mut state, 20, row_is_due()), Err(Refusal::Stale), "it fires once");
    }

    #[test]
    fn a_timer_takes_as_long_as_it_was_asked_for_after_the_clock_went_back() {
        let mut state = begun();
        let request = Input::RequestCancel { reason: "enough".to_owned(), request_id: None };
        input(&mut state, 600, request).expect("the run is open");
        // The guest was told that it is 600.
        let transition = take_turn(&mut state, 20, [start_timer(1, 607)]);
        let event_id = transition.events[0].id;
        assert_eq!(
            transition.timers,
            [TimerChange::Set { event_id, fire_at: at(27), kind: TimerKind::Timer }]
        );
        let due = Input::TimerDue { event_id };
        assert_eq!(input(&mut state, 26, due.clone()), Err(Refusal::TooEarly(at(27))));
        let transition = input(&mut state, 27, due).expect("its time has come");
        assert_eq!(transition.events[0].time, at(607), "not too early for the guest either");
    }

    #[test]
    fn an_event_is_not_recorded_before_the_one_ahead_of_it() {
        let mut state = with_timer();
        let request = Input::RequestCancel { reason: "enough".to_owned(), request_id: None };
        input(&mut state, 30, request).expect("the run is open");
        let transition = input(&mut state, 25, row_is_due()).expect("its time has come");
        assert_eq!(transition.events[0].time, at(30), "the clock went back");
    }

    #[test]
    fn an_attempt_begins_at_its_time_and_not_before() {
        let mut state = with_activity(options());
        assert_eq!(input(&mut state, 10, row_is_due()), Err(Refusal::Stale), "attempt 1 runs");
        fail_once(&mut state);
        assert_eq!(input(&mut state, 10, row_is_due()), Err(Refusal::TooEarly(at(11))));
        let transition = input(&mut state, 11, row_is_due()).expect("its time has come");
        assert_eq!(transition.effects, [run_activity()]);
        assert_eq!(transition.timers, [], "the row says which attempt this is");
        assert_eq!(input(&mut state, 11, row_is_due()), Err(Refusal::Stale), "it has begun");
    }

    #[test]
    fn after_a_crash_the_row_begins_the_attempt_again() {
        let mut state = with_activity(options());
        assert!(state.plan_retry(EVENT, 3, at(11), declined(), None));
        let transition = input(&mut state, 40, row_is_due()).expect("its time has come");
        assert_eq!(transition.effects, [run_activity()]);
        let transition = input(&mut state, 40, returns(3, Ok(Payload::default()))).expect("runs");
        assert_eq!(transition.timers, [clear()]);
    }

    #[test]
    fn a_row_of_nothing_is_stale() {
        assert_eq!(input(&mut begun(), 40, row_is_due()), Err(Refusal::Stale));
    }
}
