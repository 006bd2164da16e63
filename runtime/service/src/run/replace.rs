//! A run that starts in the commit that closes another: it replaces or continues
//! it.

use std::sync::Arc;

use dacapo_engine::compat::ENGINE_VERSION;
use dacapo_engine::decide::{Input, decide};
use dacapo_engine::state::RunState;
use dacapo_engine::transition::{Effect, Transition};
use dacapo_model::event::{HistoryEvent, WorkflowExecutionStarted};
use dacapo_model::execution::{Execution, IdConflictPolicy};
use dacapo_model::ids::{RequestId, RunKey};
use dacapo_model::time::Timestamp;
use dacapo_model::update::AdmittedUpdate;
use dacapo_store::commit::{ExecutionChange, RunTransition};

use super::actor::{Actor, Stop};
use super::commit::wake_loaded;
use super::{JoinAnswer, Loaded, NewRun};
use crate::committer::CommitFailure;
use crate::registry::OpenRun;
use crate::runtime::Shared;

/// A run that is about to start in another's commit. Its guest runs afterwards.
pub(super) struct Successor {
    execution: Execution,
    state: RunState,
    events: Vec<HistoryEvent>,
    updates: Vec<AdmittedUpdate>,
}

impl Successor {
    fn new(new: &NewRun, now: Timestamp) -> Self {
        let (state, transition) = new.begin(now);
        let updates = new.updates.clone();
        Self { execution: new.execution(now), state, events: transition.events, updates }
    }

    /// The rows it begins with.
    pub(super) fn transition(&self) -> RunTransition {
        RunTransition {
            events: self.events.clone(),
            execution: ExecutionChange::Insert(Box::new(self.execution.clone())),
            updates_set: self.updates.clone(),
            ..RunTransition::new(self.execution.key)
        }
    }

    /// Takes the workflow id over and lets its guest run.
    pub(super) fn spawn(self, shared: &Arc<Shared>, before: &OpenRun) {
        let run = shared.registry.insert_asleep(
            self.execution.key,
            self.execution.namespace.clone(),
            self.execution.workflow_id.clone(),
        );
        run.set_admitted(!self.updates.is_empty());
        let ids = self.updates.iter().map(|admitted| &admitted.update.id);
        before.updates.hand_over(ids, &run.updates);
        let loaded = Loaded {
            execution: self.execution,
            state: self.state,
            history: self.events,
            closing: None,
            needs_activation: true,
        };
        wake_loaded(shared, &run, loaded);
    }
}

impl Actor {
    /// The run that this one continues as, if its guest asked for it.
    pub(super) async fn successor(
        &mut self,
        transition: &Transition,
    ) -> Result<Option<Successor>, CommitFailure> {
        let continued = transition.effects.iter().find_map(|effect| match effect {
            Effect::ContinueAsNew {
                new_run_id,
                workflow_type,
                input,
                unread_signals,
                admitted,
            } => {
                let input = input.clone();
                Some((*new_run_id, workflow_type.clone(), input, unread_signals, admitted))
            }
            _ => None,
        });
        let Some((run_id, workflow_type, input, unread_signals, admitted)) = continued else {
            return Ok(None);
        };
        let signals = self.unread_signals(unread_signals, &transition.events).await?;
        let new = NewRun {
            key: RunKey { hash: self.run.key.hash, run_id },
            namespace: self.run.namespace.clone(),
            workflow_id: self.run.workflow_id.clone(),
            started: WorkflowExecutionStarted {
                workflow_type,
                module_digest: self.state.module_digest,
                input,
                engine_version: ENGINE_VERSION,
                request_id: None,
                environment: self.state.environment.clone(),
                arguments: self.state.arguments.clone(),
                continued_from: Some(self.run.key.run_id),
                initial_signals: 0,
                // It is the same child.
                parent: self.state.parent.clone(),
            },
            signals,
            updates: admitted.clone(),
        };
        Ok(Some(Successor::new(&new, self.shared.clock.now())))
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
        if request_id.is_some() && request_id == self.state.request_id {
            return Ok(JoinAnswer::Existing(this));
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
        match decide(&mut self.state, Input::Terminate { reason }, now, &self.shared.config.limits)
        {
            Ok(step) => transition.extend(step),
            Err(_closed) => return Ok(JoinAnswer::Closed),
        }
        let successor = Successor::new(&new, now);
        match self.commit_with(transition, None, Some(successor)).await {
            Ok(()) => Ok(JoinAnswer::Replaced(new.key.run_id)),
            Err(CommitFailure::Fenced) => Err(Stop::Gone),
            Err(CommitFailure::Conflict | CommitFailure::Unavailable) => {
                self.reload().await?;
                // If it was committed after all, the caller finds the new run by
                // its workflow id, and else starts over.
                Ok(JoinAnswer::Closed)
            }
        }
    }
}
