//! A run that starts in the commit that closes another: it replaces or continues
//! it.

use std::sync::Arc;

use dacapo_engine::decide::Input;
use dacapo_engine::state::RunState;
use dacapo_engine::transition::{Effect, NextRun, Transition};
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::{Execution, IdConflictPolicy};
use dacapo_model::ids::{RequestId, RunKey};
use dacapo_model::update::AdmittedUpdate;
use dacapo_store::commit::{ExecutionChange, RunTransition};
use dacapo_store::timer::TimerRow;
use tracing::Span;

use super::actor::{Actor, Stop};
use super::begin::Begun;
use super::rows::{timer_rows, update_rows};
use super::{JoinAnswer, Loaded, NewRun, OpenRun, wake_loaded};
use crate::committer::CommitFailure;
use crate::log;
use crate::runtime::Shared;

/// A run that is about to start in another's commit. Its guest runs afterwards.
pub(super) struct Successor {
    execution: Execution,
    state: RunState,
    events: Vec<HistoryEvent>,
    updates: Vec<AdmittedUpdate>,
    timers: Vec<TimerRow>,
}

impl Successor {
    /// Of what it begins with. Its effects are done once it is loaded.
    pub(super) fn of(begun: Begun) -> Self {
        let Begun { execution, state, transition } = begun;
        let rows = timer_rows(execution.key, transition.timers);
        let timers = rows.into_values().flatten().collect();
        let updates = update_rows(transition.updates).into_values().flatten().collect();
        Self { execution, state, events: transition.events, timers, updates }
    }

    /// The rows it begins with.
    pub(super) fn transition(&self) -> RunTransition {
        RunTransition {
            events: self.events.clone(),
            execution: ExecutionChange::Insert(Box::new(self.execution.clone())),
            timers_set: self.timers.clone(),
            updates_set: self.updates.clone(),
            ..RunTransition::new(self.execution.key)
        }
    }

    /// Takes the workflow id over and lets its guest run.
    pub(super) fn spawn(self, shared: &Arc<Shared>, before: &OpenRun) {
        let run = shared.directory.follow(&self.execution);
        run.set_admitted(!self.updates.is_empty());
        // Of a copied history: those that the run had taken on before it was cut.
        let accepted = self.state.updates.accepted();
        let ids = self.updates.iter().map(|admitted| &admitted.update.id).chain(accepted);
        before.updates.hand_over(ids, &run.updates, self.execution.key.run_id);
        run.note_trace(&shared.traces, &self.state);
        log::run_started(&self.execution, run.trace(), &Span::none());
        let loaded = Loaded {
            needs_activation: self.state.guest_may_run(),
            execution: self.execution,
            state: self.state,
            history: self.events,
            closing: None,
            fault: None,
            timer_rows: Vec::new(),
            tasks: Vec::new(),
        };
        wake_loaded(shared, &run, loaded);
    }
}

impl Actor {
    /// The run that follows this one, if one does.
    pub(super) async fn successor(
        &mut self,
        transition: &Transition,
    ) -> Result<Option<Successor>, CommitFailure> {
        let next = transition.effects.iter().find_map(|effect| match effect {
            Effect::StartNext(next) => Some(NextRun::clone(next)),
            _ => None,
        });
        let Some(NextRun { run_id, mut started, same_input, unread_signals, admitted }) = next
        else {
            return Ok(None);
        };
        if same_input {
            started.input = self.input(&transition.events).await?;
        }
        // What holds now, not when the first of them started.
        started.options.continue_as_new_after = self.policy().limits.continue_as_new_after();
        let new = NewRun {
            key: RunKey { hash: self.run.key.hash, run_id },
            namespace: self.run.namespace.clone(),
            workflow_id: self.run.workflow_id.clone(),
            started,
            start_delay: None,
            signals: self.unread_signals(&unread_signals, &transition.events).await?,
            updates: admitted,
        };
        Ok(Some(Successor::of(new.begin(self.shared.clock.now()))))
    }

    /// Answers a start whose workflow id this run has.
    pub(super) async fn join(
        &mut self,
        request_id: Option<RequestId>,
        policy: IdConflictPolicy,
        replacement: NewRun,
    ) -> Result<JoinAnswer, Stop> {
        let this = self.run.key.run_id;
        if self.closing.is_some() {
            return Ok(JoinAnswer::Closed);
        }
        // It was committed by a try that was reported as failed.
        if replacement.key.run_id == this {
            return Ok(JoinAnswer::Replaced(this));
        }
        if request_id.is_some() && request_id == self.state.request_id {
            return Ok(JoinAnswer::Repeated(this));
        }
        match policy {
            IdConflictPolicy::Fail => Ok(JoinAnswer::Refused(this)),
            IdConflictPolicy::UseExisting => Ok(JoinAnswer::Existing(this)),
            IdConflictPolicy::TerminateExisting => self.replace(replacement).await,
        }
    }

    async fn replace(&mut self, new: NewRun) -> Result<JoinAnswer, Stop> {
        let now = self.shared.clock.now();
        let reason = format!("replaced by run {}", new.key.run_id);
        let mut transition = Transition::default();
        match self.decide(Input::Terminate { reason }, now) {
            Ok(step) => transition.extend(step),
            Err(_closed) => return Ok(JoinAnswer::Closed),
        }
        let new_run_id = new.key.run_id;
        let successor = Successor::of(new.begin(now));
        match self.commit_with(transition, None, Some(successor)).await {
            Ok(()) => Ok(JoinAnswer::Replaced(new_run_id)),
            Err(CommitFailure::Fenced) => Err(Stop::Gone),
            Err(failure) => {
                self.reload().await?;
                if let CommitFailure::Rejected(reason) = failure {
                    return Ok(JoinAnswer::Rejected(reason));
                }
                // It may have been committed after all, and the new run may have been
                // replaced in turn by now.
                let new = RunKey { hash: self.run.key.hash, run_id: new_run_id };
                match self.shared.store.find_runs(&[new]).await {
                    Ok(found) if !found.is_empty() => {
                        // It was committed after the run was read.
                        if self.closing.is_none() {
                            self.reload().await?;
                        }
                        Ok(JoinAnswer::Replaced(new_run_id))
                    }
                    // Who asked starts over.
                    _ => Ok(JoinAnswer::Closed),
                }
            }
        }
    }
}
