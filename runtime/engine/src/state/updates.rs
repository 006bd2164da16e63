//! What a run knows of its updates.

use std::collections::BTreeMap;

use dacapo_model::event::{Taken, TakenUpdate};
use dacapo_model::ids::{EventId, RunId, UpdateId};
use dacapo_model::time::Timestamp;
use dacapo_model::update::{AdmittedUpdate, Update};

/// How far an update has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateStage {
    /// It is durable, and the guest has not decided about it.
    Admitted,
    /// The guest took it on.
    Accepted,
    /// This event has its outcome.
    Completed(EventId),
    /// A run before this one accepted it.
    Before(RunId),
}

/// The updates of a run and of the runs before it, without those that were rejected. The
/// limits say how many there may be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Updates {
    /// In the order in which they are offered. Not events: recovery reads them from
    /// rows.
    admitted: BTreeMap<(Timestamp, UpdateId), Update>,
    /// By the events that accepted them, those without an outcome.
    accepted: BTreeMap<UpdateId, EventId>,
    /// By the events that have their outcomes.
    completed: BTreeMap<UpdateId, EventId>,
    /// By the runs that have them, those of the chain before.
    before: BTreeMap<UpdateId, RunId>,
}

impl Updates {
    /// The updates of a run that follows others.
    pub(super) fn after(taken: &Taken) -> Self {
        let before = taken.updates.iter().map(|it| (it.update_id.clone(), it.run_id)).collect();
        Self { before, ..Self::default() }
    }

    /// Those that this run has accepted, the newest first.
    pub(super) fn taken(&self, run_id: RunId) -> impl Iterator<Item = TakenUpdate> {
        let mut taken: Vec<_> = self.accepted.iter().chain(&self.completed).collect();
        taken.sort_unstable_by_key(|(_, event_id)| std::cmp::Reverse(**event_id));
        taken
            .into_iter()
            .map(move |(update_id, _)| TakenUpdate { update_id: update_id.clone(), run_id })
    }

    /// How far an update has come; none if there is no such update, or if it was
    /// rejected.
    pub fn stage(&self, update_id: &UpdateId) -> Option<UpdateStage> {
        let before = || self.before.get(update_id).map(|run_id| UpdateStage::Before(*run_id));
        self.own_stage(update_id).or_else(before)
    }

    /// How far an update of this run has come.
    fn own_stage(&self, update_id: &UpdateId) -> Option<UpdateStage> {
        if let Some(event_id) = self.completed.get(update_id) {
            return Some(UpdateStage::Completed(*event_id));
        }
        if self.accepted.contains_key(update_id) {
            return Some(UpdateStage::Accepted);
        }
        self.admitted_key(update_id).map(|_| UpdateStage::Admitted)
    }

    /// Those that the guest has not decided about, in the order in which they are
    /// offered.
    pub fn admitted(&self) -> impl Iterator<Item = AdmittedUpdate> {
        self.admitted.iter().map(|((admitted_at, _), update)| AdmittedUpdate {
            update: update.clone(),
            admitted_at: *admitted_at,
        })
    }

    /// The one that is offered next.
    pub fn first_admitted(&self) -> Option<&Update> {
        self.admitted.values().next()
    }

    /// True if the guest has decided about all.
    pub fn none_admitted(&self) -> bool {
        self.admitted.is_empty()
    }

    /// Those that were accepted and have no outcome.
    pub fn accepted(&self) -> impl Iterator<Item = &UpdateId> {
        self.accepted.keys()
    }

    /// The event that accepted an update which has no outcome.
    pub(crate) fn accepted_event(&self, update_id: &UpdateId) -> Option<EventId> {
        self.accepted.get(update_id).copied()
    }

    /// How many have no outcome.
    pub(crate) fn in_flight(&self) -> usize {
        self.admitted.len() + self.accepted.len()
    }

    /// How many there are.
    pub(crate) fn total(&self) -> u64 {
        (self.in_flight() + self.completed.len()) as u64
    }

    /// Takes an update in, when it arrives and when its row is read back. False if
    /// it is known.
    pub fn admit(&mut self, admitted: AdmittedUpdate) -> bool {
        let AdmittedUpdate { update, admitted_at } = admitted;
        let is_new = self.stage(&update.id).is_none();
        if is_new {
            self.admitted.insert((admitted_at, update.id.clone()), update);
        }
        is_new
    }

    /// Removes an update that the guest decided about. None if it does not wait.
    pub(crate) fn remove_admitted(&mut self, update_id: &UpdateId) -> Option<Update> {
        let key = self.admitted_key(update_id)?;
        self.admitted.remove(&key)
    }

    /// Notes that an update was accepted. False if it was accepted before.
    pub(super) fn accept(&mut self, update_id: &UpdateId, event_id: EventId) -> bool {
        self.remove_admitted(update_id);
        let is_new = self.own_stage(update_id).is_none();
        if is_new {
            self.accepted.insert(update_id.clone(), event_id);
        }
        is_new
    }

    /// Notes the outcome of an update. False if there is no such update without one.
    pub(super) fn complete(
        &mut self,
        update_id: &UpdateId,
        accepted_event_id: EventId,
        event_id: EventId,
    ) -> bool {
        if self.accepted.get(update_id) != Some(&accepted_event_id) {
            return false;
        }
        self.accepted.remove(update_id);
        self.completed.insert(update_id.clone(), event_id);
        true
    }

    /// Forgets the updates that wait, as the run has closed.
    pub(super) fn close(&mut self) {
        self.admitted.clear();
    }

    /// Searches at most as many updates as may be in flight, or, in a run that was reset,
    /// all that the original run had.
    fn admitted_key(&self, update_id: &UpdateId) -> Option<(Timestamp, UpdateId)> {
        self.admitted.keys().find(|(_, id)| id == update_id).cloned()
    }
}
