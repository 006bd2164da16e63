//! The time of a timer row has come.

use dacapo_model::event::EventAttributes;
use dacapo_model::ids::EventId;
use dacapo_model::time::Timestamp;

use super::Refusal;
use crate::state::RunState;
use crate::transition::{Effect, TimerChange, Transition};

/// Fires a timer, or starts the next attempt of an activity.
pub(super) fn due(
    state: &mut RunState,
    event_id: EventId,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    if let Some(timer) = state.timers.get(&event_id).copied() {
        if now < timer.fire_at {
            return Err(Refusal::TooEarly(timer.fire_at));
        }
        let mut transition = Transition::default();
        let attributes = EventAttributes::TimerFired {
            started_event_id: event_id,
            operation_id: timer.operation_id,
        };
        transition.record(state, now, attributes);
        transition.timers.push(TimerChange::Clear { event_id });
        return Ok(transition);
    }
    let activity = state.activities.get_mut(&event_id).ok_or(Refusal::Stale)?;
    let retry_at = activity.retry_at.ok_or(Refusal::Stale)?;
    if now < retry_at {
        return Err(Refusal::TooEarly(retry_at));
    }
    // The row stays until the activity closes: it is what says, after a crash,
    // which attempt this is. So there is nothing to commit.
    activity.retry_at = None;
    Ok(Transition {
        effects: vec![Effect::RunActivity { scheduled_event_id: event_id }],
        ..Transition::default()
    })
}
