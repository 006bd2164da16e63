//! Workers that take tasks from queues, and whoever tells the run that they are silent.

use dacapo_engine::decide::{ActivityTarget, Input};
use dacapo_model::ids::EventId;
use dacapo_model::payload::Payload;

use super::Simulation;
use super::workers::report;
use crate::support::script::HowItEnds;
use crate::support::{Checked, ensure};

impl Simulation {
    pub(super) fn claim(&mut self, pick: u8) {
        if let Some(event_id) = self.tasks.pick(pick)
            && let Some(activity) = self.state.activities.get(&event_id)
        {
            self.tasks.claim(event_id, activity, self.now);
        }
    }

    pub(super) fn renew_lease(&mut self, pick: u8) {
        if let Some(event_id) = self.tasks.pick(pick)
            && let Some(activity) = self.state.activities.get(&event_id)
        {
            let details = Payload::new(pick.to_string());
            self.tasks.heartbeat(event_id, activity, details, self.now);
        }
    }

    /// Whoever has had a lease may report; the current attempt alone is listened to.
    pub(super) fn report_lease(&mut self, pick: usize, how: HowItEnds) -> Checked {
        let Some((scheduled_event_id, attempt)) = self.tasks.pick_lease(pick) else {
            return Ok(());
        };
        let is_current = self.tasks.attempt(scheduled_event_id) == Some(attempt);
        let (before, events) = (self.tasks.attempt(scheduled_event_id), self.history.len());
        let activity = ActivityTarget::Lease { scheduled_event_id, attempt };
        self.feed(Input::ActivityReported { activity, report: report(how) })?;
        let same = self.tasks.attempt(scheduled_event_id) == before;
        ensure!(
            is_current || (same && self.history.len() == events),
            "attempt {attempt} of {scheduled_event_id} is over, and was listened to"
        );
        let is_refused = matches!(how, HowItEnds::Canceled);
        ensure!(
            !is_current || !same || is_refused,
            "attempt {attempt} of {scheduled_event_id} is the current one, and was not listened to"
        );
        Ok(())
    }

    /// The time of a task is said to be over, when it is or before.
    pub(super) fn expire(&mut self, pick: u8, in_time: bool) -> Checked {
        let Some(scheduled_event_id) = self.tasks.pick(pick) else {
            return Ok(());
        };
        let Some(activity) = self.state.activities.get(&scheduled_event_id) else {
            return Ok(());
        };
        let Some(expires_at) = self.tasks.expires_at(scheduled_event_id, activity) else {
            return Ok(());
        };
        if in_time {
            self.now = self.now.max(expires_at);
        }
        let is_over = self.now >= expires_at;
        let nobody_is_to_have_it =
            activity.cancel.is_some() && self.tasks.lease(scheduled_event_id).is_none();
        let attempt = activity.attempt;
        self.feed(Input::TaskExpired {
            scheduled_event_id,
            attempt,
            leased: self.tasks.lease(scheduled_event_id),
        })?;
        let ended = self.tasks.attempt(scheduled_event_id) != Some(attempt);
        ensure!(
            ended == (is_over || nobody_is_to_have_it),
            "attempt {attempt} of {scheduled_event_id} is over: {is_over}, and was ended: {ended}"
        );
        Ok(())
    }

    /// A task is taken as soon as it can be. The first worker that has it is silent, and
    /// says later that it is done; the next one is done in time.
    pub(super) fn work_on(&mut self, event_id: EventId) -> Checked {
        let Some(activity) = self.state.activities.get(&event_id) else {
            return Err(format!("activity {event_id} is not pending"));
        };
        self.now = self.now.max(activity.visible_at().unwrap_or(self.now));
        self.tasks.claim(event_id, activity, self.now);
        let Some(at) = self.tasks.last_lease(event_id) else {
            return Err(format!("the task of {event_id} can't be taken"));
        };
        if activity.attempt_number() > 1 {
            return self.report_lease(at, HowItEnds::Completed);
        }
        let expires_at = self.tasks.expires_at(event_id, activity);
        self.now = self.now.max(expires_at.unwrap_or(self.now));
        let (attempt, leased) = (activity.attempt, self.tasks.lease(event_id));
        self.feed(Input::TaskExpired { scheduled_event_id: event_id, attempt, leased })?;
        ensure!(
            self.tasks.attempt(event_id) != Some(attempt),
            "attempt {attempt} of {event_id} is over, and was not ended"
        );
        self.report_lease(at, HowItEnds::Completed)
    }
}
