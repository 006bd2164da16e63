//! A run whose history nothing can go on with: kept as blocked, and open to those
//! who look at it or end it.

use std::collections::BTreeMap;

use dacapo_engine::compat::ENGINE_VERSION;
use dacapo_engine::decide::Input;
use dacapo_engine::state::RunState;
use dacapo_model::event::{
    Chain, EventAttributes, HistoryEvent, RunOptions, WorkflowExecutionStarted,
};
use dacapo_model::execution::{Blocked, Execution, ExecutionStatus};
use dacapo_model::ids::EventId;
use dacapo_model::payload::Payload;
use dacapo_store::Store;
use dacapo_store::commit::{CommitUnit, ExecutionChange, ExecutionUpdate, RunTransition};
use dacapo_store::error::StoreError;

use super::actor::{Actor, Stop};
use super::load::Loaded;
use super::message::Message;
use super::settle::{Asked, Tries};
use crate::committer::CommitFailure;
use crate::salvage::{Fault, is_fault, or_nothing};
use crate::types::Closing;

/// The state after a history, and what is wrong with the history, if anything is:
/// `fault`, or an event that can't be where it is. Then it is the state before that,
/// and the events from there on are left out.
pub(super) fn state_of(
    execution: &Execution,
    history: &mut Vec<HistoryEvent>,
    mut fault: Option<Fault>,
) -> (RunState, Option<Fault>) {
    let mut state: Option<RunState> = None;
    let mut illegal = None;
    for (position, event) in history.iter().enumerate() {
        let applied = match state.as_mut() {
            Some(state) => state.apply(event),
            None => RunState::from_start(event).map(|first| state = Some(first)),
        };
        if let Err(error) = applied {
            illegal = Some((position, error));
            break;
        }
    }
    if let Some((position, error)) = illegal {
        let next_event_id = history.last().map_or(EventId::FIRST, |last| last.id.next());
        history.truncate(position);
        if fault.is_none() {
            fault = Some(Fault::damaged(error.id, &error.to_string(), next_event_id));
        }
    }
    let mut state = state.unwrap_or_else(|| unknown(execution));
    if let Some(fault) = &fault {
        state.status = ExecutionStatus::Blocked;
        state.next_event_id = fault.next_event_id;
    }
    (state, fault)
}

/// A run that has closed, with its end, which is the last thing that is stored: nobody
/// has to do anything about the damage before it any more. As it was if its end can't
/// be read.
pub(super) async fn with_end(store: &dyn Store, mut run: Loaded) -> Result<Loaded, StoreError> {
    let Some(end) = or_nothing(store.last_event(run.execution.key).await)? else {
        return Ok(run);
    };
    // It may be there already: not all that nothing can go on with is damaged.
    run.state.next_event_id = end.id;
    if !end.attributes.is_closing() || run.state.apply(&end).is_err() {
        return Ok(run);
    }
    run.closing = Some(Closing {
        status: run.state.status,
        attributes: end.attributes.clone(),
        closed_at: end.time,
    });
    if run.history.last().is_none_or(|last| last.id < end.id) {
        run.history.push(end);
    }
    (run.fault, run.timer_rows, run.tasks) = (None, Vec::new(), Vec::new());
    Ok(run)
}

/// Of a run whose first event is gone: what its row says.
fn unknown(execution: &Execution) -> RunState {
    let started = WorkflowExecutionStarted {
        workflow_type: execution.workflow_type.clone(),
        module_digest: execution.module_digest,
        input: Payload::default(),
        engine_version: ENGINE_VERSION,
        request_id: execution.request_id.clone(),
        environment: BTreeMap::new(),
        arguments: Vec::new(),
        continued_from: None,
        initial_signals: 0,
        parent: None,
        options: RunOptions { attributes: execution.attributes.clone(), ..RunOptions::default() },
        chain: Chain::default(),
    };
    let first = HistoryEvent {
        id: EventId::FIRST,
        time: execution.started_at,
        attributes: EventAttributes::WorkflowExecutionStarted(Box::new(started)),
    };
    RunState::from_start(&first).expect("it is a start with the first id")
}

impl Actor {
    /// Lets the row of the run say whether anything can go on with its history: that
    /// is how it is listed. To be told once after the run was read; if it can't be
    /// written now, the next time that the run is read will do.
    pub(super) async fn show_fault(&mut self) -> Result<(), Stop> {
        let shown = self.execution.blocked.as_ref();
        let (status, blocked) = match (&self.fault, shown) {
            (Some(fault), _) => (ExecutionStatus::Blocked, Some(fault.report())),
            (None, Some(shown)) if is_fault(&shown.code) => self.without_fault(),
            (None, _) => return Ok(()),
        };
        if blocked.as_ref() != shown {
            if let Some(fault) = &self.fault {
                let (run_id, workflow_id) = (&self.run.key, &self.run.workflow_id);
                let event_id = fault.event_id.0;
                tracing::error!(%run_id, %workflow_id, event_id, "{}", fault.message);
            }
            let update = ExecutionUpdate {
                status,
                blocked: blocked.clone(),
                closed_at: None,
                module_digest: None,
                attributes: None,
                tags: None,
                history_size: None,
            };
            let execution = ExecutionChange::Update(Box::new(update));
            let transition = RunTransition { execution, ..RunTransition::new(self.run.key) };
            let unit = CommitUnit { transitions: vec![transition] };
            match self.shared.committer.commit(unit).await {
                Ok(()) => {
                    self.execution.status = status;
                    self.execution.blocked = blocked;
                }
                Err(CommitFailure::Fenced) => return Err(Stop::Gone),
                Err(failure) => {
                    tracing::debug!(run_id = %self.run.key, ?failure, "its row is not true");
                }
            }
        }
        let is_blocked = status == ExecutionStatus::Blocked;
        self.run.publish_progress(self.state.next_event_id.0 - 1, is_blocked);
        Ok(())
    }

    /// Where a run stands whose history was repaired: as it says, running, or blocked
    /// for the reason that was given before.
    fn without_fault(&self) -> (ExecutionStatus, Option<Blocked>) {
        if self.state.status != ExecutionStatus::Blocked {
            return (self.state.status, None);
        }
        let history = self.history.iter().flatten().rev();
        let reason = history.filter_map(|event| match &event.attributes {
            EventAttributes::WorkflowTaskFailed { code, message } => Some(Blocked {
                code: code.clone(),
                message: message.clone(),
                backtrace: None,
                nondeterminism: None,
            }),
            _ => None,
        });
        (ExecutionStatus::Blocked, reason.into_iter().next())
    }

    /// Gives back those inputs that a run can take whatever is wrong with it, and leaves
    /// what was decided about those in commits without a verdict.
    pub(super) fn unless_all_faulted(&self, inputs: Vec<Asked>, tries: &mut Tries) -> Vec<Asked> {
        let Some(fault) = &self.fault else {
            return inputs;
        };
        let keeps = |input: &Input| matches!(input, Input::Terminate { .. });
        tries.retain(&inputs.iter().map(|(input, _)| keeps(input)).collect::<Vec<_>>());
        let mut left = Vec::new();
        for (input, answer) in inputs {
            if keeps(&input) {
                left.push((input, answer));
            } else if let Some(answer) = answer {
                let _ = answer.send(Err(fault.error()));
            }
        }
        left
    }

    /// Gives back what a run can take whatever is wrong with it: who looks at it, or
    /// ends it. All else is refused if there is a fault; a retry looks whether there
    /// still is.
    pub(super) async fn unless_faulted(
        &mut self,
        message: Message,
    ) -> Result<Option<Message>, Stop> {
        if self.fault.is_none() {
            return Ok(Some(message));
        }
        let is_retry = matches!(&message, Message::Input { input: Input::Retry, .. });
        // A commit that is still to come may have closed it.
        if is_retry || self.in_doubt {
            self.reload().await?;
        }
        // It was repaired, and goes on unless it is blocked for another reason.
        if is_retry && self.fault.is_none() && self.state.status == ExecutionStatus::Running {
            if let Message::Input { answer: Some(answer), .. } = message {
                let _ = answer.send(Ok(Ok(())));
            }
            return Ok(None);
        }
        let Some(error) = self.fault.as_ref().map(Fault::error) else {
            return Ok(Some(message));
        };
        match message {
            Message::Input { input: Input::Terminate { .. }, .. }
            | Message::Join { .. }
            | Message::Reset { .. }
            | Message::Describe { .. }
            | Message::Query { .. }
            | Message::UpdateStage { .. }
            | Message::AttemptLeft { .. }
            | Message::Evict
            | Message::Reread => return Ok(Some(message)),
            // Who waits may have gone away.
            Message::Input { answer, .. } => {
                if let Some(answer) = answer {
                    let _ = answer.send(Err(error));
                }
            }
            Message::Heartbeat { answer, .. } => drop(answer.send(Err(error))),
            Message::Trace { answer } => drop(answer.send(Err(error))),
            Message::Move { answer, .. } => drop(answer.send(Err(error))),
        }
        Ok(None)
    }
}
