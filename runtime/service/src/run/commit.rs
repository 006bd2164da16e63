//! Commit, then act.

use std::collections::BTreeMap;

use dacapo_engine::transition::{Effect, TimerChange, Transition, UpdateChange};
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{EventId, RunKey, UpdateId};
use dacapo_model::update::AdmittedUpdate;
use dacapo_store::commit::{CommitUnit, ExecutionChange, ExecutionUpdate, RunTransition};
use dacapo_store::timer::TimerRow;
use tracing::Span;

use super::actor::Actor;
use super::replace::Successor;
use crate::activities::Executor as _;
use crate::committer::CommitFailure;
use crate::log;
use crate::types::Closing;
use crate::update_watch::UpdateProgress;

/// From so many failures in a row on, what a run has to commit is committed alone: it
/// may be what the store fails at, and takes nobody else with it.
const ALONE_AFTER: u32 = 2;

impl Actor {
    /// Makes a transition durable, together with the run that it continues as,
    /// and does its effects. The first transition of a run has a `start`: what asked
    /// for it.
    pub(super) async fn commit(
        &mut self,
        transition: Transition,
        start: Option<&Span>,
    ) -> Result<(), CommitFailure> {
        let successor = self.successor(&transition).await?;
        self.commit_with(transition, start, successor).await
    }

    /// Like [`Self::commit`], with a run that starts in the same commit.
    pub(super) async fn commit_with(
        &mut self,
        transition: Transition,
        start: Option<&Span>,
        successor: Option<Successor>,
    ) -> Result<(), CommitFailure> {
        let Transition { events, timers, updates, published, status, attributes, effects } =
            transition;
        let mut rows = timer_rows(self.run.key, timers);
        if events.last().is_some_and(|last| last.attributes.is_closing()) {
            // The state of a damaged run does not know of all of them.
            for event_id in std::mem::take(&mut self.timer_rows) {
                rows.entry(event_id).or_insert(None);
            }
        }
        let module_digest = self.state.module_digest;
        let moved_to = (self.execution.module_digest != module_digest).then_some(module_digest);
        self.execution.module_digest = module_digest;
        let updates = update_rows(updates);
        let becomes_long = self.becomes_long(&events);
        if let Some(change) = &status {
            self.execution.status = change.status;
            self.execution.blocked = change.blocked.clone();
            self.execution.closed_at = change.closed_at;
        }
        if let Some(attributes) = &attributes {
            self.execution.attributes = attributes.clone();
        }
        let shows_more = status.is_some() || attributes.is_some();
        let execution = match start {
            // A run may be blocked or closed by its very first transition.
            Some(_) => ExecutionChange::Insert(Box::new(self.execution.clone())),
            None if shows_more => ExecutionChange::Update(ExecutionUpdate {
                status: self.execution.status,
                blocked: self.execution.blocked.clone(),
                closed_at: self.execution.closed_at,
                attributes,
                module_digest: moved_to,
            }),
            None => ExecutionChange::None,
        };
        let closing =
            events.last().filter(|event| event.attributes.is_closing()).map(|event| Closing {
                status: self.state.status,
                attributes: event.attributes.clone(),
                closed_at: event.time,
            });
        let changed = !events.is_empty()
            || execution != ExecutionChange::None
            || !rows.is_empty()
            || !updates.is_empty()
            || !published.is_empty();
        if updates.values().any(Option::is_some) {
            self.run.set_admitted(true);
        }
        if changed {
            let mut transitions = vec![RunTransition {
                key: self.run.key,
                events,
                execution,
                timers_set: rows.values().flatten().cloned().collect(),
                timers_cleared: rows
                    .iter()
                    .filter(|(_, row)| row.is_none())
                    .map(|(event_id, _)| *event_id)
                    .collect(),
                updates_set: updates.values().flatten().cloned().collect(),
                updates_removed: updates
                    .into_iter()
                    .filter(|(_, row)| row.is_none())
                    .map(|(update_id, _)| update_id)
                    .collect(),
                query_results_set: published.clone(),
            }];
            transitions.extend(successor.as_ref().map(Successor::transition));
            let unit = CommitUnit { transitions };
            let committed = match self.failures >= ALONE_AFTER {
                true => self.shared.committer.commit_alone(unit).await,
                false => self.shared.committer.commit(unit).await,
            };
            self.in_doubt = committed == Err(CommitFailure::Unavailable);
            committed?;
            self.history = None;
            if let Some(cause) = start {
                log::run_started(&self.execution, cause);
            }
            if becomes_long && closing.is_none() {
                self.warn_of_length();
            }
        }
        if self.run.may_have_admitted() && self.state.updates.none_admitted() {
            self.run.set_admitted(false);
        }
        if let Some(known) = &mut self.published {
            known.extend(published);
        }
        for row in rows.into_values().flatten() {
            self.shared.timers.add(row.key, row.event_id, row.fire_at);
        }
        if let Some(successor) = successor {
            successor.spawn(&self.shared, &self.run);
        }
        self.act(effects);
        if closing.is_some() {
            self.closing = closing;
        }
        self.publish();
        Ok(())
    }

    /// Tells those who watch the run how far it has come. To be called before anybody
    /// is answered: who was told that it is closed must not find it open any more.
    pub(super) fn publish(&self) {
        let blocked = self.state.status == ExecutionStatus::Blocked;
        self.run.publish_progress(self.state.next_event_id.0 - 1, blocked);
        if let Some(closing) = &self.closing {
            self.shared.directory.remove(&self.run);
            self.run.close();
            if self.run.publish_closing(closing.clone()) {
                log::run_closed(&self.execution, closing, self.state.next_event_id.0 - 1);
            }
        }
    }

    fn act(&mut self, effects: Vec<Effect>) {
        let mut relations = Vec::new();
        for effect in effects {
            match effect {
                Effect::RunActivity { scheduled_event_id } => {
                    self.start_attempt(scheduled_event_id);
                }
                Effect::StopActivity { scheduled_event_id } => {
                    self.attempts.stop(scheduled_event_id);
                }
                Effect::GiveUpActivity { scheduled_event_id } => {
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

/// What the transition leaves of its changes to timer rows: by event, the row to
/// set, or none to remove it.
pub(super) fn timer_rows(
    key: RunKey,
    changes: Vec<TimerChange>,
) -> BTreeMap<EventId, Option<TimerRow>> {
    let row = |change| match change {
        TimerChange::Set { event_id, fire_at, kind } => {
            (event_id, Some(TimerRow { key, event_id, fire_at, kind }))
        }
        TimerChange::Clear { event_id } => (event_id, None),
    };
    changes.into_iter().map(row).collect()
}

/// What the transition leaves of its changes to the updates that wait: by id, the
/// row to set, or none to remove it. One that came and was decided about leaves
/// nothing.
pub(super) fn update_rows(
    changes: Vec<UpdateChange>,
) -> BTreeMap<UpdateId, Option<AdmittedUpdate>> {
    let mut rows = BTreeMap::new();
    for change in changes {
        match change {
            UpdateChange::Admit(admitted) => {
                rows.insert(admitted.update.id.clone(), Some(admitted));
            }
            UpdateChange::Remove(update_id) => {
                if rows.remove(&update_id).is_none() {
                    rows.insert(update_id, None);
                }
            }
        }
    }
    rows
}
