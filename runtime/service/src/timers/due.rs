//! Rows that are due, until their runs have been told.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use dacapo_model::ids::{EventId, RunKey};
use dacapo_model::time::Timestamp;
use dacapo_store::timer::DueTimer;

/// Rows that one run is told of before it is the turn of the next. One batch of its
/// actor.
const PORTION: usize = 64;

/// By run, in the order of their times: a run with many of them does not hold others
/// up, and costs no more than it takes.
#[derive(Default)]
pub(super) struct Due(BTreeMap<RunKey, BTreeSet<(Timestamp, EventId)>>);

impl Due {
    /// One that is there already is not added again.
    pub(super) fn add(&mut self, timer: DueTimer) {
        let DueTimer { fire_at, key, event_id } = timer;
        self.0.entry(key).or_default().insert((fire_at, event_id));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells the runs in turn, each for as long as it takes what it is told. How many
    /// rows were taken.
    pub(super) fn hand_out(&mut self, mut takes: impl FnMut(RunKey, EventId) -> bool) -> usize {
        let mut turns: Vec<RunKey> = self.0.keys().copied().collect();
        let mut taken = 0;
        while !turns.is_empty() {
            turns.retain(|key| {
                self.hand_portion(*key, &mut |key, event_id| {
                    let takes = takes(key, event_id);
                    taken += usize::from(takes);
                    takes
                })
            });
        }
        taken
    }

    /// True if the run has another turn.
    fn hand_portion(
        &mut self,
        key: RunKey,
        takes: &mut impl FnMut(RunKey, EventId) -> bool,
    ) -> bool {
        let Entry::Occupied(mut rows) = self.0.entry(key) else {
            return false;
        };
        for _ in 0..PORTION {
            let Some((_, event_id)) = rows.get().first().copied() else {
                break;
            };
            if !takes(key, event_id) {
                return false;
            }
            rows.get_mut().pop_first();
        }
        if rows.get().is_empty() {
            rows.remove();
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use dacapo_model::ids::{RunId, WorkflowHash};
    use uuid::Uuid;

    use super::*;

    const MAILBOX: usize = 256;

    fn key(number: u8) -> RunKey {
        RunKey { hash: WorkflowHash(0), run_id: RunId(Uuid::from_u128(number.into())) }
    }

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(i64::try_from(micros).expect("small"))
    }

    fn timer(run: u8, micros: u64, event: u64) -> DueTimer {
        DueTimer { fire_at: at(micros), key: key(run), event_id: EventId(event) }
    }

    /// Ten runs with ten thousand each, and one with one, which is due last of all.
    #[test]
    fn a_run_with_many_rows_does_not_hold_others_up() {
        let mut due = Due::default();
        for number in 0..10 {
            (1..=10_000).for_each(|event| due.add(timer(number, event, event)));
        }
        due.add(timer(99, 10_001, 7));
        let mut room = HashMap::new();
        let (mut told, mut asked) = (Vec::new(), 0);
        let mut takes = |key: RunKey, event_id| {
            asked += 1;
            let room = room.entry(key).or_insert(MAILBOX);
            if *room == 0 {
                return false;
            }
            *room -= 1;
            told.push((key, event_id));
            true
        };
        let taken = due.hand_out(&mut takes);
        let of_one = told.iter().position(|(run, _)| *run == key(99));
        assert_eq!(of_one, Some(10 * PORTION), "after one portion of each");
        assert_eq!((told.len(), taken), (10 * MAILBOX + 1, 10 * MAILBOX + 1));
        assert!(asked <= 10 * (MAILBOX + 1) + 1, "{asked}: a full mailbox is met once");
        let first: Vec<u64> =
            told.iter().filter(|(run, _)| *run == key(3)).map(|(_, event)| event.0).collect();
        assert_eq!(first, (1..=MAILBOX as u64).collect::<Vec<_>>(), "in the order of their times");
        assert!(!due.is_empty());
    }

    #[test]
    fn what_is_found_again_before_its_run_is_told_is_told_once() {
        let mut due = Due::default();
        for _ in 0..2 {
            due.add(timer(1, 2, 5));
            due.add(timer(1, 1, 9));
            assert_eq!(due.hand_out(|_, _| false), 0);
        }
        let mut told = Vec::new();
        let taken = due.hand_out(|_, event_id| {
            told.push(event_id);
            true
        });
        assert_eq!(taken, 2);
        assert_eq!(told, [EventId(9), EventId(5)]);
        assert!(due.is_empty());
    }
}
