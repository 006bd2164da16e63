//! What a run does with the attempts of its activities.

use dacapo_model::ids::EventId;

use super::actor::Actor;
use crate::activities::Executor as _;

impl Actor {
    pub(super) fn start_attempt(&mut self, scheduled_event_id: EventId) {
        // An activity that was given up in the same transition is not pending any more.
        if let Some(activity) = self.state.activities.get(&scheduled_event_id) {
            self.attempts.start(&self.context, scheduled_event_id, activity);
        }
    }

    pub(super) fn tell_attempt(&mut self, scheduled_event_id: EventId) {
        if let Some(activity) = self.state.activities.get(&scheduled_event_id) {
            self.attempts.tell(scheduled_event_id, activity);
        }
    }

    /// Goes on with all activities after the run was read: all of their attempts begin
    /// again after a restart, and those that are under way are told what is new.
    pub(super) fn resume_activities(&mut self) {
        for (event_id, activity) in &self.state.activities {
            self.attempts.resume(&self.context, *event_id, activity);
        }
    }

    /// Forgets an attempt that has ended. A later one of the same activity may have
    /// been started since, by the very transition that says so.
    pub(super) fn forget_attempt(&mut self, scheduled_event_id: EventId) {
        let activity = self.state.activities.get(&scheduled_event_id);
        if activity.is_none_or(|activity| activity.retry_at().is_some()) {
            self.attempts.forget(scheduled_event_id);
        }
    }
}
