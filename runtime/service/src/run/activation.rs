//! The guest goes on from one wait to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use dacapo_engine::decide::Input;
use dacapo_engine::transition::Transition;
use dacapo_model::command::Command;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::{Blocked, ExecutionStatus};
use dacapo_model::ids::{EventId, RunKey};
use dacapo_store::Store;

use super::actor::{Actor, Resident};
use super::room::{InstanceRoom, make_room, try_make_room};
use crate::committer::CommitFailure;

/// Bytes of a history that is kept while the run waits for room. A longer one is
/// read again.
const KEPT_BYTES_MAX: u64 = 64 * 1024;

impl Actor {
    /// Lets the guest answer `fresh` events, which `transition` holds already,
    /// and adds what it asks for. A fault blocks the run; that is an answer, too.
    /// Fails only if the history of a run without an instance can't be read.
    pub(super) async fn activate(
        &mut self,
        fresh: Vec<HistoryEvent>,
        transition: &mut Transition,
    ) -> Result<(), CommitFailure> {
        if self.leaves_the_rest() {
            return Ok(());
        }
        self.turn(fresh, transition).await?;
        self.offer_updates(transition).await
    }

    /// While the node stops, the guest is told nothing more: what it would begin may not
    /// end here. The next node finds in history what the guest has not answered.
    pub(super) fn leaves_the_rest(&mut self) -> bool {
        let stopping = self.shared.life.stopping.is_cancelled();
        if stopping {
            // It does not know any more what has happened.
            self.drop_guest();
        }
        stopping
    }

    pub(super) async fn turn(
        &mut self,
        fresh: Vec<HistoryEvent>,
        transition: &mut Transition,
    ) -> Result<(), CommitFailure> {
        self.shared.capacity.residency.mark_busy(self.run.key.run_id);
        let turn = match &mut self.guest {
            Some(guest) => guest.instance.advance(fresh).await,
            None => {
                let room = self.room().await;
                let history = self.history_with(transition).await?;
                match self.launch_in(room, history).await {
                    Ok(commands) if transition.events.is_empty() => {
                        Ok(without_stored_values(&*self.shared.store, self.run.key, commands).await)
                    }
                    turn => turn,
                }
            }
        };
        match turn {
            Ok(commands) if commands.is_empty() => {}
            Ok(commands) => self.take_turn(commands, transition).await,
            Err(blocked) => self.block(blocked, transition),
        }
        Ok(())
    }

    /// Records what the guest asked for, unless it says something of its run that it may not.
    pub(super) async fn take_turn(&mut self, commands: Vec<Command>, transition: &mut Transition) {
        let registered = &self.shared.search_attributes;
        if let Some(blocked) = registered.check(&self.run.namespace, &commands).await {
            return self.block(blocked, transition);
        }
        if let Some(blocked) = self.too_large(&commands) {
            return self.block(blocked, transition);
        }
        let run_id = self.run.key.run_id;
        self.guest_did(Input::GuestTurn { run_id, commands }, transition);
    }

    /// Records that the guest could not go on.
    pub(super) fn block(&mut self, blocked: Blocked, transition: &mut Transition) {
        let pinned = Some(self.state.module_digest);
        let blocked = blocked.between(pinned, self.context.module_digest);
        tracing::warn!(
            run_id = %self.run.key,
            workflow_id = %self.run.workflow_id,
            code = blocked.code,
            reason = blocked.message,
            "run is blocked"
        );
        // Its code is not run again before somebody asks for that.
        self.needs_activation = false;
        self.guest_did(Input::GuestFault { blocked }, transition);
    }

    fn guest_did(&mut self, input: Input, transition: &mut Transition) {
        let now = self.shared.clock.now();
        let decided = self.decide(input, now);
        // A guest runs only while its run is open, and nobody else decides.
        let step = decided.expect("an open run takes what its guest did");
        transition.extend(step);
        if self.state.status != ExecutionStatus::Running {
            self.drop_guest();
        }
    }

    /// Room for an instance. A run that has to wait for it does not keep a long
    /// history in memory meanwhile: thousands may wait.
    pub(super) async fn room(&mut self) -> Arc<InstanceRoom> {
        if let Some(room) = try_make_room(&self.shared) {
            return room;
        }
        if self.state.history_bytes > KEPT_BYTES_MAX {
            self.history = None;
        }
        make_room(&self.shared).await
    }

    pub(super) async fn launch_in(
        &mut self,
        room: Arc<InstanceRoom>,
        history: Vec<HistoryEvent>,
    ) -> Result<Vec<Command>, Blocked> {
        let shared = self.shared.clone();
        let mut instance = shared.host.launch(self.context.clone(), room.clone()).await?;
        let commands = instance.advance(history).await?;
        self.guest = Some(Resident { instance, room });
        Ok(commands)
    }

    /// All that has happened to the run, committed or about to be. The store is
    /// read only if there is something committed.
    pub(super) async fn history_with(
        &mut self,
        transition: &Transition,
    ) -> Result<Vec<HistoryEvent>, CommitFailure> {
        let from_start = transition.events.first().is_some_and(|event| event.id == EventId::FIRST);
        let mut history = match self.history.take() {
            _ if from_start => Vec::new(),
            Some(history) => history,
            None => self.stored_history().await?,
        };
        history.extend(transition.events.iter().cloned());
        Ok(history)
    }

    pub(super) async fn stored_history(&mut self) -> Result<Vec<HistoryEvent>, CommitFailure> {
        match self.shared.loader.load(self.run.key).await {
            Ok(Some(stored)) if stored.fault.is_none() => Ok(stored.history),
            // Who reads it again sees what is wrong.
            Ok(Some(_) | None) => Err(CommitFailure::Unavailable),
            Err(error) => {
                tracing::warn!(run_id = %self.run.key, error = ?error, "history can't be read");
                Err(CommitFailure::Unavailable)
            }
        }
    }
}

/// Leaves the values out that are stored already, of what a guest asks for that was
/// launched again: it can't know that they are, as no event says so.
async fn without_stored_values(
    store: &dyn Store,
    key: RunKey,
    mut commands: Vec<Command>,
) -> Vec<Command> {
    if !commands.iter().all(|command| matches!(command, Command::Publish { .. })) {
        return commands;
    }
    let mut stored = BTreeMap::new();
    for command in &commands {
        if let Command::Publish { name, .. } = command {
            // What can't be read is written again, which is the same.
            let value = store.query_result(key, name).await.ok().flatten();
            stored.insert(name.clone(), value);
        }
    }
    commands.retain(|command| match command {
        Command::Publish { name, value } => stored.get(name) != Some(&Some(value.clone())),
        _ => true,
    });
    commands
}
