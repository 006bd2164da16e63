//! Commit, then act.

use dacapo_engine::transition::{StatusChange, TaskChange, Transition};
use dacapo_model::attributes::RunAttributes;
use dacapo_model::execution::Execution;
use dacapo_store::commit::{CommitUnit, ExecutionChange, ExecutionUpdate, RunTransition};
use tracing::Span;

use super::actor::Actor;
use super::replace::Successor;
use super::rows::{timer_rows, update_rows};
use crate::committer::CommitFailure;
use crate::log;
use crate::types::Closing;

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
        let Transition {
            events,
            timers,
            mut tasks,
            updates,
            published,
            status,
            attributes,
            effects,
        } = transition;
        let mut rows = timer_rows(self.run.key, timers);
        if events.last().is_some_and(|last| last.attributes.is_closing()) {
            // The state of a damaged run does not know of all of them.
            for event_id in std::mem::take(&mut self.timer_rows) {
                rows.entry(event_id).or_insert(None);
            }
            let unknown = std::mem::take(&mut self.tasks).into_iter();
            tasks.extend(
                unknown.map(|scheduled_event_id| TaskChange::Remove { scheduled_event_id }),
            );
        }
        self.note_removed(&tasks);
        self.prepare_tasks(&tasks).await;
        let mut tasks = self.plan_tasks(tasks);
        let updates = update_rows(updates);
        let becomes_long = self.becomes_long(&events);
        let next = self.next_execution(status, attributes.as_ref());
        let execution = match (start, &next) {
            // A run may be blocked or closed by its very first transition.
            (Some(_), next) => {
                let first = next.as_ref().unwrap_or(&self.execution);
                ExecutionChange::Insert(Box::new(first.clone()))
            }
            (None, Some(next)) => {
                ExecutionChange::Update(Box::new(self.update_to(next, attributes)))
            }
            (None, None) => ExecutionChange::None,
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
            || !tasks.rows.is_empty()
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
                tasks: std::mem::take(&mut tasks.rows),
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
            if let Some(next) = next {
                self.execution = next;
            }
            if let Some(cause) = start {
                log::run_started(&self.execution, self.run.trace(), cause);
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
        tasks.committed(&self.run);
        if let Some(successor) = successor {
            successor.spawn(&self.shared, &self.run);
        }
        self.act(effects);
        self.shared.traces.ended(std::mem::take(&mut self.spans));
        if closing.is_some() {
            self.closing = closing;
        }
        self.publish();
        Ok(())
    }

    /// What the row of the run is to say, if that is something else than before.
    fn next_execution(
        &self,
        status: Option<StatusChange>,
        attributes: Option<&RunAttributes>,
    ) -> Option<Execution> {
        let is_moved = self.execution.module_digest != self.state.module_digest;
        if status.is_none() && attributes.is_none() && !is_moved {
            return None;
        }
        let mut next = self.execution.clone();
        next.module_digest = self.state.module_digest;
        if let Some(StatusChange { status, blocked, closed_at }) = status {
            (next.status, next.blocked, next.closed_at) = (status, blocked, closed_at);
            next.history_size = closed_at.is_some().then(|| self.history_size());
        }
        if let Some(attributes) = attributes {
            next.attributes = attributes.clone();
        }
        Some(next)
    }

    fn update_to(&self, next: &Execution, attributes: Option<RunAttributes>) -> ExecutionUpdate {
        let is_moved = self.execution.module_digest != next.module_digest;
        ExecutionUpdate {
            status: next.status,
            blocked: next.blocked.clone(),
            closed_at: next.closed_at,
            history_size: next.history_size,
            attributes,
            tags: (self.execution.attributes.tags != next.attributes.tags)
                .then(|| next.attributes.tags.clone()),
            module_digest: is_moved.then_some(next.module_digest),
        }
    }
}
