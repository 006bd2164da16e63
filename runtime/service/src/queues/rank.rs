//! The order of tasks that wait: in turn by fairness key. Pure.
//!
//! Each key has a line of its own; a task's rank is one turn after the one before it in
//! its line, and not before what is handed out now. So the first task of a key that comes
//! late has a rank near the front, however long the lines of others are. Ranks are
//! microseconds: without a backlog they follow the time of day, so that they grow across
//! restarts and nodes.

use std::collections::HashMap;

use dacapo_model::task::{FairnessKey, Priority, TaskRoute};
use dacapo_model::time::Timestamp;

/// What one task of weight 1 takes of its line. Longer than any task waits for the next
/// when there is no backlog, so that lines of a backlog reach into the future.
const TURN_MICROS: f64 = 1_000_000.0;

/// Lines that are remembered. One that is forgotten begins again at the front.
const LINES_MAX: usize = 10_000;

/// What a node that has begun has to look up before it can give a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// The last rank of all lines of the priority.
    All,
    /// The last rank of the line.
    Line,
}

#[derive(Default)]
pub(super) struct Ranks {
    /// The last rank of what waited when this node began, by priority: until that is handed
    /// out, lines may have tasks that it does not know of.
    inherited: HashMap<Priority, i64>,
    /// The largest rank that was handed out, by priority.
    front: HashMap<Priority, i64>,
    /// The last rank of each line.
    last: HashMap<(Priority, Option<FairnessKey>), i64>,
}

impl Ranks {
    /// What is to be looked up before a task of this kind is given a rank.
    pub(super) fn unknown(&self, route: &TaskRoute) -> Option<Unknown> {
        let Some(inherited) = self.inherited.get(&route.priority) else {
            return Some(Unknown::All);
        };
        let handed_out = self.front.get(&route.priority).copied().unwrap_or(i64::MIN);
        let line = (route.priority, route.fairness_key.clone());
        (handed_out < *inherited && !self.last.contains_key(&line)).then_some(Unknown::Line)
    }

    /// What was looked up.
    pub(super) fn learn(&mut self, route: &TaskRoute, unknown: Unknown, last: Option<i64>) {
        match unknown {
            Unknown::All => {
                self.inherited.entry(route.priority).or_insert(last.unwrap_or(i64::MIN));
            }
            Unknown::Line => {
                let line = (route.priority, route.fairness_key.clone());
                self.last.entry(line).or_insert(last.unwrap_or(i64::MIN));
            }
        }
    }

    /// The rank of a new task.
    pub(super) fn next(&mut self, route: &TaskRoute, now: Timestamp) -> i64 {
        let TaskRoute { priority, fairness_key, fairness_weight, .. } = route;
        let front = self.front(*priority, now);
        if self.last.len() >= LINES_MAX {
            // A line that has been handed out is one that begins at the front anyway.
            let fronts = self.front.clone();
            self.last.retain(|(priority, _), last| {
                *last > fronts.get(priority).copied().unwrap_or(i64::MIN)
            });
        }
        if self.last.len() >= LINES_MAX {
            self.last.clear();
        }
        let line = (*priority, fairness_key.clone());
        let turn = (TURN_MICROS / fairness_weight.number()) as i64;
        let rank = match self.last.get(&line) {
            Some(last) => front.max(last.saturating_add(turn)),
            None => front,
        };
        self.last.insert(line, rank);
        rank
    }

    /// A task of this rank was handed out.
    pub(super) fn handed_out(&mut self, priority: Priority, rank: i64) {
        let front = self.front.entry(priority).or_insert(rank);
        *front = rank.max(*front);
    }

    fn front(&self, priority: Priority, now: Timestamp) -> i64 {
        let handed_out = self.front.get(&priority).copied().unwrap_or(i64::MIN);
        handed_out.max(now.as_micros())
    }
}

#[cfg(test)]
mod tests {
    use dacapo_model::ids::QueueName;
    use dacapo_model::task::FairnessWeight;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000);

    fn route(key: Option<&str>) -> TaskRoute {
        let fairness_key = key.map(|key| FairnessKey::new(key).expect("a key"));
        TaskRoute { fairness_key, ..TaskRoute::to(QueueName::new("q").expect("a name")) }
    }

    #[test]
    fn tasks_without_a_key_are_in_the_order_in_which_they_came() {
        let mut ranks = Ranks::default();
        let given: Vec<i64> = (0..100).map(|_| ranks.next(&route(None), NOW)).collect();
        assert!(given.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn the_first_task_of_a_key_waits_for_few_of_another_with_a_long_line() {
        let mut ranks = Ranks::default();
        let (busy, late) = (route(Some("busy")), route(Some("late")));
        let line: Vec<i64> = (0..100_000).map(|_| ranks.next(&busy, NOW)).collect();
        for (handed_out, rank) in line.iter().enumerate().take(5_000) {
            ranks.handed_out(Priority::default(), *rank);
            if handed_out == 4_999 {
                let first = ranks.next(&late, NOW);
                let before = line[5_000..].iter().filter(|rank| **rank < first).count();
                assert!(before <= 1, "{before} are handed out before it");
            }
        }
        // From then on they take turns.
        let lates: Vec<i64> = (0..10).map(|_| ranks.next(&late, NOW)).collect();
        let between = line[5_000..].iter().filter(|rank| **rank < lates[9]).count();
        assert!((9..=11).contains(&between), "{between}");
    }

    #[test]
    fn a_line_goes_on_where_it_was_when_the_node_before_ended() {
        let mut ranks = Ranks::default();
        let (busy, late) = (route(Some("busy")), route(Some("late")));
        assert_eq!(ranks.unknown(&busy), Some(Unknown::All));
        ranks.learn(&busy, Unknown::All, Some(900_000_000));
        assert_eq!(ranks.unknown(&busy), Some(Unknown::Line));
        ranks.learn(&busy, Unknown::Line, Some(900_000_000));
        ranks.learn(&late, Unknown::Line, None);
        assert_eq!((ranks.unknown(&busy), ranks.unknown(&late)), (None, None));
        assert!(ranks.next(&busy, NOW) > 900_000_000, "behind its own");
        assert_eq!(ranks.next(&late, NOW), NOW.as_micros(), "at the front");
        // Once all that was there is handed out, no line is unknown any more.
        let another = route(Some("another"));
        assert_eq!(ranks.unknown(&another), Some(Unknown::Line));
        ranks.handed_out(Priority::default(), 900_000_000);
        assert_eq!(ranks.unknown(&another), None);
    }

    #[test]
    fn an_empty_queue_is_looked_at_once() {
        let mut ranks = Ranks::default();
        ranks.learn(&route(None), Unknown::All, None);
        assert_eq!(ranks.unknown(&route(None)), None);
        assert_eq!(ranks.unknown(&route(Some("key"))), None);
    }

    #[test]
    fn a_weight_says_how_many_turns_a_key_has() {
        let mut ranks = Ranks::default();
        let weight = FairnessWeight::new(4.0).expect("a weight");
        let heavy = TaskRoute { fairness_weight: weight, ..route(Some("heavy")) };
        let light = route(Some("light"));
        let mut order: Vec<(i64, &str)> = Vec::new();
        order.extend((0..40).map(|_| (ranks.next(&heavy, NOW), "heavy")));
        order.extend((0..40).map(|_| (ranks.next(&light, NOW), "light")));
        order.sort_unstable();
        let heavies = order[..25].iter().filter(|(_, key)| *key == "heavy").count();
        assert!((19..=21).contains(&heavies), "{heavies} of 25");
    }

    #[test]
    fn lines_that_were_handed_out_are_forgotten_first() {
        let mut ranks = Ranks::default();
        for key in 0..2 * LINES_MAX {
            let rank = ranks.next(&route(Some(&key.to_string())), NOW);
            ranks.handed_out(Priority::default(), rank);
        }
        assert!(ranks.last.len() <= LINES_MAX);
    }
}
