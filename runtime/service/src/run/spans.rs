//! The spans of a run's attempts, where somebody collects them.

use dacapo_engine::decide::{ActivityTarget, Input};
use dacapo_engine::state::{PendingActivity, Placement};
use dacapo_engine::transition::TaskChange;
use dacapo_model::ids::EventId;
use dacapo_model::time::Timestamp;

use super::actor::Actor;
use crate::traces::{AttemptOf, Attempted, Span};

impl Actor {
    /// The attempt that may end by an input, if its span is collected.
    pub(super) fn attempted(&self, input: &Input) -> Option<Attempted> {
        self.shared.traces.collects(self.run.trace())?;
        let (event_id, leased) = match input {
            Input::ActivityReturned { scheduled_event_id, .. }
            | Input::ActivityTimedOut { scheduled_event_id, .. }
            | Input::ActivityStopped { scheduled_event_id, .. } => (*scheduled_event_id, None),
            Input::TaskExpired { scheduled_event_id, leased, .. } => {
                (*scheduled_event_id, leased.map(|leased| leased.started_at))
            }
            Input::ActivityReported { activity, .. } => match activity {
                ActivityTarget::Operation(operation) => {
                    (self.state.operation_event(*operation)?, None)
                }
                ActivityTarget::Lease { scheduled_event_id, .. }
                | ActivityTarget::Token { scheduled_event_id, .. } => (*scheduled_event_id, None),
            },
            Input::TimerDue { event_id } => (*event_id, None),
            _ => return None,
        };
        let activity = self.state.activities.get(&event_id)?;
        let started_at = leased.or_else(|| self.started_at(event_id, activity))?;
        self.attempt_since(event_id, &activity.into(), started_at)
    }

    /// When the attempt of an activity that is under way has begun.
    fn started_at(&self, event_id: EventId, activity: &PendingActivity) -> Option<Timestamp> {
        match &activity.placement {
            Placement::Here => self.attempts.under_way(event_id).map(|(_, started_at)| started_at),
            Placement::Waiting { .. } => None,
            Placement::Outside(outside) => Some(outside.started_at),
            Placement::Queue { .. } => {
                let leased = self.shared.queues.leased((self.run.key, event_id))?;
                let is_its = leased.task.attempt.number == activity.attempt;
                is_its.then_some(leased.lease.started_at)
            }
        }
    }

    /// Notes that nobody waits any more for the attempt of an activity that runs here.
    pub(super) fn note_stopped(&mut self, event_id: EventId) {
        let under_way = self.attempts.under_way(event_id);
        let stopped = under_way.and_then(|(activity, started_at)| {
            self.attempt_since(event_id, &activity.into(), started_at)
        });
        let now = self.shared.clock.now();
        self.spans.extend(stopped.map(|attempted| attempted.stopped(now)));
    }

    /// Notes the attempts that workers have and that nobody waits for any more once this
    /// is committed.
    pub(super) fn note_removed(&mut self, changes: &[TaskChange]) {
        if self.shared.traces.collects(self.run.trace()).is_none() {
            return;
        }
        let now = self.shared.clock.now();
        for change in changes {
            let TaskChange::Remove { scheduled_event_id } = change else { continue };
            let leased = self.shared.queues.leased((self.run.key, *scheduled_event_id));
            let stopped = leased.and_then(|leased| {
                let started_at = leased.lease.started_at;
                self.attempt_since(*scheduled_event_id, &(&leased).into(), started_at)
            });
            // What it has reported is known.
            let stopped = stopped.map(|attempted| attempted.stopped(now));
            let is_known = |span: &Span| self.spans.iter().any(|it| it.context == span.context);
            let stopped = stopped.filter(|span| !is_known(span));
            self.spans.extend(stopped);
        }
    }

    fn attempt_since(
        &self,
        event_id: EventId,
        of: &AttemptOf<'_>,
        started_at: Timestamp,
    ) -> Option<Attempted> {
        let (context, _) = self.shared.traces.collects(self.run.trace())?;
        Some(Attempted::new(&self.run, context, event_id, of, started_at))
    }
}
