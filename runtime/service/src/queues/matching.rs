//! Which poll gets a task, and who has to look into the store. Pure.
//!
//! Polls for the same activity types are a group. A group that has looked through the
//! queue and found less than it had room for has *checked* it: as long as nothing has been
//! added since, a new task goes to one of its polls at once, without waiting in the queue.
//! So no task overtakes another that waits.

use std::collections::VecDeque;
use std::sync::Arc;

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::TypeName;

use super::poller::{Poller, Promise};
use crate::error::{Result, ServiceError};

/// Sets of activity types that polls of one queue may ask for at a time.
const GROUPS_MAX: usize = 256;

/// Claims of one queue at a time.
const CLAIMS_MAX: usize = 4;

/// The polls of one queue.
pub(super) struct Matching {
    /// Counts what was added to the queue, as far as this node knows.
    version: u64,
    groups: VecDeque<Group>,
    claims: usize,
}

struct Group {
    activity_types: Arc<[TypeName]>,
    /// Up to this version, nothing that it takes is left in the queue.
    checked: Option<u64>,
    pollers: VecDeque<Arc<Poller>>,
}

/// A look into the store for one poll.
pub(super) struct Claim {
    pub(super) promise: Promise,
    version: u64,
}

impl Default for Matching {
    fn default() -> Self {
        // The queue may hold anything when a node begins.
        Self { version: 1, groups: VecDeque::new(), claims: 0 }
    }
}

impl Matching {
    /// A poll waits from now on.
    pub(super) fn add(&mut self, poller: Arc<Poller>) -> Result<()> {
        let types = &poller.activity_types;
        if let Some(group) = self.groups.iter_mut().find(|group| group.activity_types == *types) {
            group.pollers.push_back(poller);
            return Ok(());
        }
        // Forgets what a group has checked, which only costs it a look.
        if self.groups.len() >= GROUPS_MAX {
            self.groups.retain(|group| !group.pollers.is_empty());
        }
        if self.groups.len() >= GROUPS_MAX {
            return Err(ServiceError::new(
                ErrorCode::Overloaded,
                format!(
                    "polls of {GROUPS_MAX} different sets of activity types wait at this queue; \
                     let workers of one queue ask for the same types, or for all"
                ),
            ));
        }
        let activity_types = types.clone();
        let pollers = VecDeque::from([poller]);
        self.groups.push_back(Group { activity_types, checked: None, pollers });
        Ok(())
    }

    /// A poll is over.
    pub(super) fn remove(&mut self, poller: &Arc<Poller>) {
        let types = &poller.activity_types;
        if let Some(group) = self.groups.iter_mut().find(|group| group.activity_types == *types) {
            group.pollers.retain(|other| !Arc::ptr_eq(other, poller));
        }
    }

    /// Something that may be handed out was added to the queue.
    pub(super) fn added(&mut self) {
        self.version += 1;
    }

    /// Promises a new task to a poll that waits, if none that it could have waits longer.
    pub(super) fn promise(&mut self, activity_type: &TypeName) -> Option<Promise> {
        let version = self.version;
        for group in &mut self.groups {
            if group.checked != Some(version) {
                continue;
            }
            if !group.pollers.front().is_some_and(|poller| poller.takes(activity_type)) {
                continue;
            }
            if let Some(promise) = group.promise(1) {
                return Some(promise);
            }
        }
        None
    }

    /// What is to be looked for in the store next, if anything, and at most so many tasks:
    /// each group has its turn.
    pub(super) fn next_claim(&mut self, tasks_max: usize) -> Option<Claim> {
        if self.claims >= CLAIMS_MAX {
            return None;
        }
        for _ in 0..self.groups.len() {
            self.groups.rotate_left(1);
            let group = self.groups.front_mut()?;
            if group.checked == Some(self.version) {
                continue;
            }
            if let Some(promise) = group.promise(tasks_max) {
                self.claims += 1;
                return Some(Claim { promise, version: self.version });
            }
        }
        None
    }

    /// A claim has come back, and has found everything or less than there was room for.
    pub(super) fn claimed(&mut self, claim: &Claim, found_all: bool) {
        self.claims -= 1;
        let types = &claim.promise.poller().activity_types;
        if found_all
            && let Some(group) = self.groups.iter_mut().find(|it| it.activity_types == *types)
        {
            group.checked = group.checked.max(Some(claim.version));
        }
    }

    /// Polls that wait.
    pub(super) fn pollers(&self) -> impl Iterator<Item = &Arc<Poller>> {
        self.groups.iter().flat_map(|group| &group.pollers)
    }
}

impl Group {
    /// From the poll that has waited longest and has room. One without is about to be
    /// answered.
    fn promise(&mut self, tasks_max: usize) -> Option<Promise> {
        self.pollers.iter().find_map(|poller| poller.promise(tasks_max))
    }
}
