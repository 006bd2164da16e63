//! The guest has its turn, and decides about what it is offered.

use dacapo_engine::decide::{Input, decide};
use dacapo_engine::replay::{CallError, Offer, Reply};
use dacapo_engine::transition::Transition;
use dacapo_model::command::Command;
use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::execution::{Blocked, ExecutionStatus};
use dacapo_model::ids::QueryName;
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;

use super::{RUN, Residency, Simulation};
use crate::support::guest::Guest;
use crate::support::stored::stored;
use crate::support::{Checked, ensure};

impl Simulation {
    /// Runs the guest until it waits, ends or traps. `fresh` was just decided.
    pub(super) fn turn(&mut self, fresh: &[HistoryEvent]) -> Checked<Transition> {
        let input = if std::mem::take(&mut self.trap) {
            self.guest = None;
            Input::GuestFault { blocked: trap() }
        } else {
            let (mut guest, events) = self.awake(fresh)?;
            let commands = guest
                .advance(events)
                .map_err(|error| format!("a deterministic guest does not fit: {error}"))?;
            self.guest = Some(guest);
            Input::GuestTurn { run_id: RUN, commands }
        };
        let transition = decide(&mut self.state, input, self.now, &self.limits)
            .map_err(|refusal| format!("a turn was refused: {refusal}"))?;
        let mut transition = transition;
        self.offer_updates(&mut transition)?;
        if self.state.status == ExecutionStatus::Blocked {
            self.guest = None;
        }
        self.place = self.guest.as_ref().map(|guest| guest.place.clone());
        Ok(transition)
    }

    /// Offers the guest what waits for it, for as long as it decides.
    pub(super) fn offer_updates(&mut self, transition: &mut Transition) -> Checked {
        while self.state.status == ExecutionStatus::Running
            && let Some(update) = self.state.updates.first_admitted().cloned()
            && let Some(guest) = &mut self.guest
        {
            let at = self.now.max(self.state.last_event_at);
            let update_id = update.id.clone();
            let offered = guest
                .offer(Offer::Update { update, at })
                .map_err(|error| format!("a guest that behaves is told: {error}"))?;
            let input = match offered {
                None => break,
                Some((Some(Reply::Accepted), commands)) => {
                    Input::GuestTurn { run_id: RUN, commands }
                }
                Some((Some(Reply::Rejected(failure)), commands)) => {
                    ensure!(commands.is_empty(), "a rejection asks for {commands:?}");
                    Input::UpdateRejected { update_id, failure }
                }
                Some((reply, _)) => return Err(format!("an update is answered with {reply:?}")),
            };
            let step = decide(&mut self.state, input, self.now, &self.limits)
                .map_err(|refusal| format!("a decision was refused: {refusal}"))?;
            transition.extend(step);
        }
        Ok(())
    }

    /// Whatever the guest makes of a query, the run is as it was.
    pub(super) fn query(&mut self, misbehaves: bool) -> Checked {
        let Some(guest) = &mut self.guest else {
            return Ok(());
        };
        let before = guest.place.clone();
        let input = Payload::new(if misbehaves { "misbehave" } else { "behave" });
        let name = QueryName::new("seen").expect("a valid name");
        match guest.offer(Offer::Query(Query { name, input })) {
            Ok(None) => {}
            Ok(Some((reply, commands))) => {
                ensure!(matches!(reply, Some(Reply::Answered(Ok(_)))), "answered {reply:?}");
                ensure!(commands.is_empty(), "a query asks for {commands:?}");
                ensure!(guest.place == before, "a query has moved the guest");
            }
            Err(CallError::DuringQuery { .. }) if misbehaves => self.guest = None,
            Err(error) => return Err(format!("a query: {error}")),
        }
        Ok(())
    }

    /// A guest, and the events it has not seen.
    pub(super) fn awake(&mut self, fresh: &[HistoryEvent]) -> Checked<(Guest, Vec<HistoryEvent>)> {
        if self.residency == Residency::Kept
            && let Some(guest) = self.guest.take()
        {
            return Ok((guest, fresh.to_vec()));
        }
        let mut guest = Guest::new(&self.program);
        // Before the end of a delay there is nothing to replay.
        let begins = fresh
            .iter()
            .any(|it| matches!(it.attributes, EventAttributes::WorkflowExecutionDelayEnded {}));
        let replay_first =
            self.residency == Residency::ReplayedBeforeInput && !fresh.is_empty() && !begins;
        if replay_first && !self.history.is_empty() {
            let commands =
                guest.advance(stored(&self.history)).map_err(|error| format!("replay: {error}"))?;
            ensure!(asks_for_nothing_new(&commands), "replay asks for something new: {commands:?}");
            return Ok((guest, fresh.to_vec()));
        }
        let whole = [self.history.as_slice(), fresh].concat();
        Ok((guest, stored(&whole)))
    }
}

/// What the last activation has published is published again: the guest does not
/// know that it was stored.
pub(crate) fn asks_for_nothing_new(commands: &[Command]) -> bool {
    commands.iter().all(|command| matches!(command, Command::Publish { .. }))
}

pub(super) fn trap() -> Blocked {
    Blocked {
        code: "guest_trap".to_owned(),
        message: "unreachable".to_owned(),
        backtrace: None,
        nondeterminism: None,
    }
}
