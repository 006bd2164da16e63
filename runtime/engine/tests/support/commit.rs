//! Commits transitions as the service does, and checks after each what must hold.

use std::collections::BTreeSet;

use dacapo_engine::state::{ActivityDuty, ExternalRequest, Placement, RunState};
use dacapo_engine::transition::{Effect, TaskChange, Transition, UpdateChange};
use dacapo_model::event::EventAttributes;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::time::Timestamp;

use super::relations::left_is_what_was_pending;
use super::simulation::{Commit, Simulation};
use super::stored::stored;
use super::{Checked, ensure};

impl Simulation {
    pub(super) fn commit(&mut self, transition: Transition) -> Checked {
        for event in transition.events {
            let last = self.history.last().map_or((0, Timestamp::default()), |e| (e.id.0, e.time));
            ensure!(event.id.0 == last.0 + 1, "event {} follows event {}", event.id, last.0);
            ensure!(event.time >= last.1, "time goes back at event {}", event.id);
            self.history.push(event);
        }
        transition.timers.iter().for_each(|change| self.outbox.apply(change));
        for change in transition.tasks {
            let asked = match change {
                TaskChange::Tell { scheduled_event_id, .. } => Some(scheduled_event_id),
                _ => None,
            };
            if self.tasks.apply(change, &self.state)?
                && let Some(event_id) = asked
                && let Some(activity) = self.state.activities.get(&event_id)
            {
                self.idle_cancels.push((event_id, activity.attempt));
            }
        }
        for change in transition.updates {
            match change {
                UpdateChange::Admit(admitted) => {
                    self.admitted.insert(admitted.update.id.clone(), admitted);
                }
                UpdateChange::Remove(update_id) => {
                    self.admitted.remove(&update_id);
                }
            }
        }
        self.published.extend(transition.published);
        for effect in transition.effects {
            self.perform(effect)?;
        }
        if let Some(change) = transition.status {
            ensure!(
                change.blocked.is_some() == (change.status == ExecutionStatus::Blocked),
                "{change:?} and its report do not agree"
            );
            ensure!(
                change.closed_at.is_none() == change.status.is_open(),
                "{change:?} and its closing time do not agree"
            );
            self.shown = change.status;
        }
        let events = self.history.len();
        let program = self.program.clone();
        self.commits.push(Commit { events, place: self.place.clone(), program });
        self.check()
    }

    fn perform(&mut self, effect: Effect) -> Checked {
        match effect {
            Effect::RunActivity { scheduled_event_id } => {
                // One that was given up in the same transition is stopped next.
                let pending = self.state.activities.get(&scheduled_event_id);
                let attempt = pending.map_or(1, |activity| activity.attempt);
                self.running.insert((scheduled_event_id, attempt));
            }
            Effect::TellActivity { scheduled_event_id } => {
                let asked = self.state.activities.get(&scheduled_event_id);
                self.idle_cancels.extend(
                    asked
                        .filter(|a| a.duty() == Some(ActivityDuty::ReportStopped))
                        .map(|activity| (scheduled_event_id, activity.attempt))
                        .filter(|attempt| !self.running.contains(attempt)),
                );
            }
            Effect::StopActivity { scheduled_event_id }
            | Effect::GiveUpActivity { scheduled_event_id } => {
                self.running.retain(|(id, _)| *id != scheduled_event_id);
            }
            Effect::UpdateAccepted { update_id } => {
                ensure!(self.told.insert((update_id.clone(), 1)), "{update_id} accepted twice");
            }
            Effect::UpdateCompleted { update_id, .. } => {
                ensure!(self.told.insert((update_id.clone(), 2)), "{update_id} completed twice");
            }
            Effect::UpdateRejected { .. } => {}
            Effect::StartChild { initiated_event_id } => {
                self.outreach.starting.insert(initiated_event_id);
            }
            Effect::ReachExternal { initiated_event_id } => {
                self.outreach.reaching.insert(initiated_event_id);
            }
            Effect::LeaveChildren { children, externals } => {
                let before = &self.history[..self.history.len() - 1];
                left_is_what_was_pending(before, &children, &externals)?;
                self.outreach.resume(&self.state);
            }
            Effect::StartNext(next) => {
                let named = match self.history.last().map(|event| &event.attributes) {
                    Some(EventAttributes::WorkflowExecutionContinuedAsNew {
                        new_run_id, ..
                    }) => Some(*new_run_id),
                    Some(EventAttributes::WorkflowExecutionFailed { new_run_id, .. }) => {
                        *new_run_id
                    }
                    // What the guest had not acted on is not known.
                    Some(EventAttributes::WorkflowExecutionTimedOut(timed_out)) => {
                        ensure!(timed_out.new_run_id == Some(next.run_id), "it names another");
                        return Ok(());
                    }
                    _ => None,
                };
                ensure!(named == Some(next.run_id), "history does not name the run that follows");
                self.passed_on = Some(next.unread_signals);
            }
        }
        Ok(())
    }

    /// What holds after each commit.
    fn check(&self) -> Checked {
        ensure!(
            self.state.status == self.shown,
            "the run is {:?}, and its row shows {:?}",
            self.state.status,
            self.shown
        );
        self.outbox.check(&self.state)?;
        self.tasks.check(&self.state)?;
        let waiting: Vec<_> = self.state.updates.admitted().collect();
        ensure!(
            waiting.len() == self.admitted.len()
                && waiting.iter().all(|it| self.admitted.get(&it.update.id) == Some(it)),
            "{waiting:?} wait for the guest, but the rows are {:?}",
            self.admitted
        );
        if let Some(place) = &self.place {
            ensure!(
                place.published == self.published,
                "{:?} was published, but the rows are {:?}",
                place.published,
                self.published
            );
        }
        let wanted = self.state.activities.iter().filter(|(_, a)| a.placement == Placement::Here);
        let wanted: BTreeSet<_> = wanted.map(|(id, activity)| (*id, activity.attempt)).collect();
        ensure!(
            self.running == wanted,
            "the attempts {:?} run, but the state has {wanted:?}",
            self.running
        );
        let unstarted = self.state.children.values().filter(|child| !child.started).count();
        let externals = self.state.externals.values();
        let externals =
            externals.filter(|e| !matches!(e.request, ExternalRequest::CancelChild { .. })).count();
        let pending = self.state.timers.len()
            + self.state.activities.len()
            + self.state.children.len()
            + unstarted
            + externals;
        ensure!(
            self.state.pending_operations() == pending,
            "{} operations are open, but {pending} are pending",
            self.state.pending_operations()
        );
        ensure!(
            pending <= self.limits.pending_operations_max,
            "{pending} operations are pending, more than the limit allows"
        );
        if !self.state.status.is_open() {
            ensure!(self.state.timers.is_empty(), "a closed run has timers");
            ensure!(self.admitted.is_empty(), "a closed run has updates that wait");
            ensure!(self.state.activities.is_empty(), "a closed run has activities");
        }
        self.check_recovery()
    }

    /// A crash loses nothing but which of the planned retries have begun; those
    /// are begun again. What workers have said is in the rows of their tasks alone.
    fn check_recovery(&self) -> Checked {
        let mut recovered = self.recovered()?;
        let mut state = self.state.clone();
        self.tasks.restore(&mut state)?;
        for (id, live) in &state.activities {
            if live.placement == Placement::Here {
                recovered.note_begun(*id, live.attempt);
            }
        }
        ensure!(
            recovered == state,
            "recovery makes another state.\nLive: {state:?}\nRecovered: {recovered:?}"
        );
        Ok(())
    }

    /// The state as another node would find it: history, then the retry rows,
    /// then the status of the run's row, since [`Input::Retry`] is no event.
    pub(super) fn recovered(&self) -> Checked<RunState> {
        let state = RunState::from_history(&stored(&self.history));
        let mut state = state
            .map_err(|illegal| illegal.to_string())?
            .ok_or_else(|| "the history is empty".to_owned())?;
        self.outbox.restore(&mut state)?;
        self.tasks.restore(&mut state)?;
        for admitted in self.admitted.values() {
            ensure!(state.updates.admit(admitted.clone()), "{admitted:?} is known");
        }
        state.status = self.shown;
        Ok(state)
    }
}
