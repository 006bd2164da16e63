//! Which poll gets a task, and who has to look into the store. Pure.
//!
//! Polls for the same activity types are a group. A group that has looked through the
//! queue and found less than it had room for has *checked* it: as long as nothing has been
//! added since, a new task goes to one of its polls at once, without waiting in the queue.
//! So no task overtakes another that waits.
//!
//! What may be handed out of a queue with limits only the store knows: each of its tasks is
//! claimed, by one claim at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use dacapo_model::ids::TypeName;

use super::poller::{Poller, Promise};
use crate::workload::Workload;

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
    mode: Mode,
    /// What was promised without asking for limits.
    unlimited: Workload,
}

/// How the tasks of a queue are handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mode {
    /// To whoever asks.
    #[default]
    Open,
    /// Within limits.
    Limited,
    /// Not at all.
    Drained,
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
    /// Whether the store has to look at limits.
    pub(super) is_limited: bool,
    version: u64,
}

impl Default for Matching {
    fn default() -> Self {
        // The queue may hold anything when a node begins.
        Self {
            version: 1,
            groups: VecDeque::new(),
            claims: 0,
            mode: Mode::Open,
            unlimited: Workload::default(),
        }
    }
}

impl Matching {
    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// How tasks are handed out from now on.
    pub(super) fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// What was promised without asking for limits: nothing more is, once there are some.
    pub(super) fn unlimited(&self) -> Workload {
        self.unlimited.clone()
    }

    /// A poll waits from now on. Returns those that have to make room for it, if polls ask for
    /// too many different things: the fewest of one kind. They ask again, and nobody can
    /// keep others from asking.
    pub(super) fn add(&mut self, poller: Arc<Poller>) -> VecDeque<Arc<Poller>> {
        let types = &poller.activity_types;
        if let Some(group) = self.groups.iter_mut().find(|group| group.activity_types == *types) {
            group.pollers.push_back(poller);
            return VecDeque::new();
        }
        // Forgets what a group has checked, which only costs it a look.
        if self.groups.len() >= GROUPS_MAX {
            self.groups.retain(|group| !group.pollers.is_empty());
        }
        let smallest = || (0..self.groups.len()).min_by_key(|&at| self.groups[at].pollers.len());
        let crowded_out = match smallest() {
            Some(at) if self.groups.len() >= GROUPS_MAX => self.groups.remove(at),
            _ => None,
        };
        let activity_types = types.clone();
        let pollers = VecDeque::from([poller]);
        self.groups.push_back(Group { activity_types, checked: None, pollers });
        crowded_out.map(|group| group.pollers).unwrap_or_default()
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
        if self.mode != Mode::Open {
            return None;
        }
        let version = self.version;
        for group in &mut self.groups {
            if group.checked != Some(version) {
                continue;
            }
            if !group.pollers.front().is_some_and(|poller| poller.takes(activity_type)) {
                continue;
            }
            if let Some(promise) = group.promise(1) {
                return Some(promise.counted(self.unlimited.begin()));
            }
        }
        None
    }

    /// What is to be looked for in the store next, if anything, and at most so many tasks:
    /// each group has its turn.
    pub(super) fn next_claim(&mut self, tasks_max: usize) -> Option<Claim> {
        let claims_max = match self.mode {
            Mode::Open => CLAIMS_MAX,
            // They would wait for each other.
            Mode::Limited => 1,
            Mode::Drained => 0,
        };
        if self.claims >= claims_max {
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
                let is_limited = self.mode == Mode::Limited;
                let promise = match is_limited {
                    true => promise,
                    false => promise.counted(self.unlimited.begin()),
                };
                return Some(Claim { promise, is_limited, version: self.version });
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dacapo_model::ids::WorkerIdentity;

    use super::*;

    fn waiting(room: usize) -> Matching {
        let worker = WorkerIdentity::new("w").expect("a name");
        let poller = Poller::new(worker, Vec::new(), Duration::from_secs(30), room);
        let mut matching = Matching::default();
        assert!(matching.add(poller).is_empty());
        matching
    }

    fn looked_through(matching: &mut Matching) {
        let claim = matching.next_claim(1).expect("nobody has looked yet");
        matching.claimed(&claim, true);
    }

    fn send() -> TypeName {
        TypeName::new("send").expect("a name")
    }

    #[test]
    fn a_new_task_goes_to_a_poll_that_has_looked_through_the_queue() {
        let mut matching = waiting(2);
        assert!(matching.promise(&send()).is_none(), "another may wait longer");
        looked_through(&mut matching);
        let promise = matching.promise(&send()).expect("a poll waits");
        assert_eq!(matching.unlimited().in_hand(), 1, "until it is given");
        drop(promise);
        assert_eq!(matching.unlimited().in_hand(), 0);
        matching.added();
        assert!(matching.promise(&send()).is_none());
    }

    #[test]
    fn tasks_of_a_queue_with_limits_are_claimed_by_one_at_a_time() {
        let mut matching = waiting(2);
        looked_through(&mut matching);
        matching.set_mode(Mode::Limited);
        assert!(matching.promise(&send()).is_none(), "the store decides");
        matching.added();
        let claim = matching.next_claim(1).expect("something was added");
        assert!(claim.is_limited);
        assert_eq!(matching.unlimited().in_hand(), 0);
        matching.added();
        assert!(matching.next_claim(1).is_none(), "one is under way");
        matching.claimed(&claim, true);
        assert!(matching.next_claim(1).is_some());
    }

    fn asks_for(activity_type: &str) -> Arc<Poller> {
        let worker = WorkerIdentity::new("w").expect("a name");
        let types = vec![TypeName::new(activity_type).expect("a name")];
        Poller::new(worker, types, Duration::from_secs(30), 1)
    }

    #[test]
    fn polls_of_many_kinds_crowd_out_each_other_and_not_those_of_a_large_one() {
        let mut matching = Matching::default();
        for _ in 0..2 {
            assert!(matching.add(asks_for("send")).is_empty());
        }
        for kind in 1..GROUPS_MAX {
            assert!(matching.add(asks_for(&format!("foreign {kind}"))).is_empty());
        }
        for kind in 0..3 * GROUPS_MAX {
            let crowded_out = matching.add(asks_for(&format!("another {kind}")));
            assert_eq!(crowded_out.len(), 1);
            assert!(!crowded_out[0].takes(&send()));
        }
        assert_eq!(matching.pollers().filter(|poller| poller.takes(&send())).count(), 2);
    }

    #[test]
    fn nobody_looks_into_a_drained_queue() {
        let mut matching = waiting(2);
        matching.set_mode(Mode::Drained);
        assert!(matching.next_claim(1).is_none() && matching.promise(&send()).is_none());
        matching.set_mode(Mode::Open);
        let claim = matching.next_claim(1).expect("nobody has looked yet");
        assert!(!claim.is_limited);
    }
}
