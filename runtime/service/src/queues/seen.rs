//! Which workers have polled a queue lately, for people.

use std::collections::HashMap;
use std::time::Duration;

use dacapo_model::ids::WorkerIdentity;
use dacapo_model::time::Timestamp;

/// For so long after its last poll a worker is shown.
const SHOWN: Duration = Duration::from_secs(300);

/// Workers that are shown of one queue.
const SHOWN_MAX: usize = 1_000;

/// Bytes kept of a build id, which a worker chooses.
const BUILD_ID_BYTES_MAX: usize = 255;

/// A worker that polls a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenWorker {
    /// What it calls itself.
    pub identity: WorkerIdentity,
    /// The version of its code.
    pub build_id: Option<String>,
    /// When its last poll began.
    pub last_poll_at: Timestamp,
}

#[derive(Default)]
pub(super) struct Seen(HashMap<WorkerIdentity, (Option<String>, Timestamp)>);

impl Seen {
    /// A worker has begun to poll.
    pub(super) fn note(
        &mut self,
        identity: &WorkerIdentity,
        build_id: Option<String>,
        now: Timestamp,
    ) {
        if self.0.len() >= SHOWN_MAX && !self.0.contains_key(identity) {
            self.forget_before(now.before(SHOWN));
        }
        if self.0.len() < SHOWN_MAX || self.0.contains_key(identity) {
            let build_id = build_id.filter(|text| text.len() <= BUILD_ID_BYTES_MAX);
            self.0.insert(identity.clone(), (build_id, now));
        }
    }

    /// Those that have polled lately, by name.
    pub(super) fn lately(&mut self, now: Timestamp) -> Vec<SeenWorker> {
        self.forget_before(now.before(SHOWN));
        let mut workers: Vec<SeenWorker> = self
            .0
            .iter()
            .map(|(identity, (build_id, last_poll_at))| SeenWorker {
                identity: identity.clone(),
                build_id: build_id.clone(),
                last_poll_at: *last_poll_at,
            })
            .collect();
        workers.sort_by(|a, b| a.identity.cmp(&b.identity));
        workers
    }

    fn forget_before(&mut self, time: Timestamp) {
        self.0.retain(|_, (_, last_poll_at)| *last_poll_at >= time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: usize) -> WorkerIdentity {
        WorkerIdentity::new(format!("worker-{number:04}")).expect("a name")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn workers_are_shown_for_a_while_after_their_last_poll() {
        let mut seen = Seen::default();
        seen.note(&identity(1), Some("v1".to_owned()), at(0));
        seen.note(&identity(2), None, at(10));
        seen.note(&identity(1), Some("v2".to_owned()), at(20));
        let shown = |workers: Vec<SeenWorker>| -> Vec<(String, Option<String>)> {
            workers.into_iter().map(|it| (it.identity.to_string(), it.build_id)).collect()
        };
        let first = ("worker-0001".to_owned(), Some("v2".to_owned()));
        let second = ("worker-0002".to_owned(), None);
        assert_eq!(shown(seen.lately(at(30))), [first.clone(), second]);
        assert_eq!(shown(seen.lately(at(315))), [first]);
        assert_eq!(shown(seen.lately(at(1_000))), []);
    }

    #[test]
    fn names_without_end_take_no_memory_without_end() {
        let mut seen = Seen::default();
        for number in 0..2 * SHOWN_MAX {
            seen.note(&identity(number), None, at(0));
        }
        assert_eq!(seen.lately(at(0)).len(), SHOWN_MAX);
    }
}
