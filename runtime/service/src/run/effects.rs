//! What follows from a commit. Nothing of it is done before.

use dacapo_engine::transition::Effect;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{EventId, UpdateId};

use super::actor::Actor;
use crate::activities::Executor as _;
use crate::log;
use crate::traces::run_closed;
use crate::update_watch::UpdateProgress;

impl Actor {
    /// Tells those who watch the run how far it has come. To be called before anybody
    /// is answered: who was told that it is closed must not find it open any more.
    pub(super) fn publish(&self) {
        let blocked = self.state.status == ExecutionStatus::Blocked;
        self.run.publish_progress(self.state.next_event_id.0 - 1, blocked);
        if let Some(closing) = &self.closing {
            self.shared.directory.remove(&self.run);
            self.run.close();
            if self.run.publish_closing(closing.clone()) {
                let (execution, trace) = (&self.execution, self.run.trace());
                log::run_closed(execution, trace, closing, self.state.next_event_id.0 - 1);
                run_closed(&self.shared.traces, trace, execution, &self.state, closing);
            }
        }
    }

    /// Does the effects of a transition that is committed.
    pub(super) fn act(&mut self, effects: Vec<Effect>) {
        let mut relations = Vec::new();
        for effect in effects {
            match effect {
                Effect::RunActivity { scheduled_event_id } => {
                    self.start_attempt(scheduled_event_id);
                }
                Effect::StopActivity { scheduled_event_id } => {
                    self.note_stopped(scheduled_event_id);
                    self.attempts.stop(scheduled_event_id);
                }
                Effect::GiveUpActivity { scheduled_event_id } => {
                    self.note_stopped(scheduled_event_id);
                    self.attempts.give_up(scheduled_event_id);
                }
                Effect::TellActivity { scheduled_event_id } => {
                    self.tell_attempt(scheduled_event_id);
                }
                Effect::StartChild { .. }
                | Effect::ReachExternal { .. }
                | Effect::LeaveChildren { .. } => relations.push(effect),
                // Started in the same commit.
                Effect::StartNext(_) => {}
                Effect::UpdateAccepted { update_id } => {
                    self.tell(&update_id, UpdateProgress::Accepted);
                }
                Effect::UpdateCompleted { update_id, outcome } => {
                    self.tell(&update_id, UpdateProgress::Completed(outcome));
                }
                Effect::UpdateRejected { update_id, failure } => {
                    self.tell(&update_id, UpdateProgress::Rejected(failure));
                }
            }
        }
        self.relate(relations);
    }

    pub(super) fn tell(&self, update_id: &UpdateId, progress: UpdateProgress) {
        self.run.updates.publish(self.run.key.run_id, update_id, progress);
    }

    /// Makes sure that the timers of a run that was just read are in memory.
    pub(super) fn resume_timers(&self) {
        let key = self.run.key;
        if let Some(timer) = self.state.run_timer().filter(|_| self.state.status.is_open()) {
            self.shared.timers.add(key, EventId::FIRST, timer.fire_at());
        }
        for (event_id, timer) in &self.state.timers {
            self.shared.timers.add(key, *event_id, timer.due_at);
        }
        for (event_id, activity) in &self.state.activities {
            if let Some(fire_at) = activity.due_at() {
                self.shared.timers.add(key, *event_id, fire_at);
            }
        }
    }
}
