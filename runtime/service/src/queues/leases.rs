//! The leases that this node has given, and the times at which tasks are to be looked
//! at. A cache: the rows are the truth, and what is not here is read.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use dacapo_engine::guest::AttemptSignals;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_store::task::{LeasedTask, TaskKey};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Leases that are kept here. A worker decides how many tasks it takes.
const KNOWN_MAX: usize = 100_000;

/// Times that are kept here. The rows of others are found by who looks through them.
const TIMES_MAX: usize = 200_000;

/// A heartbeat is not written if one was written so short a part ago of the time that it
/// prolongs the lease by, and what it says not more often than that.
const RENEWED_RECENTLY: u32 = 8;
const RENEWAL_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// What this node knows of tasks in hand.
#[derive(Default)]
pub(super) struct Leases {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    known: HashMap<TaskKey, KnownLease>,
    times: BTreeSet<(Timestamp, TaskKey)>,
}

/// A lease, as its row has it.
#[derive(Debug, Clone)]
pub(super) struct KnownLease {
    pub(super) leased: LeasedTask,
    /// When it is looked at: then, or later if it was prolonged.
    looked_at: Timestamp,
    /// When a heartbeat was written, if one was.
    renewed_at: Option<Timestamp>,
    /// What a later one said.
    unsaved: Option<Payload>,
}

impl Inner {
    /// Forgets a lease, and that it was to be looked at: most tasks end long before that.
    fn remove(&mut self, task: TaskKey) -> Option<LeasedTask> {
        let known = self.known.remove(&task)?;
        self.times.remove(&(known.looked_at, task));
        Some(known.leased)
    }
}

impl Leases {
    /// A lease was committed, or was read.
    pub(super) fn insert(&self, leased: LeasedTask) {
        self.insert_renewed(leased, None);
    }

    fn insert_renewed(&self, mut leased: LeasedTask, renewed_at: Option<Timestamp>) {
        // It is in its row, and may be large.
        (leased.task.attempt.last_failure, leased.task.attempt.details) = (None, None);
        let task = (leased.task.key, leased.task.event_id);
        let looked_at = leased.lease.expires_at;
        let mut inner = self.inner.lock();
        inner.remove(task);
        if inner.known.len() < KNOWN_MAX {
            let known = KnownLease { leased, looked_at, renewed_at, unsaved: None };
            inner.known.insert(task, known);
        }
        drop(inner);
        self.look_at(task, looked_at);
    }

    /// A lease was prolonged.
    pub(super) fn renewed(&self, leased: &LeasedTask, now: Timestamp) {
        let task = (leased.task.key, leased.task.event_id);
        let mut inner = self.inner.lock();
        match inner.known.get_mut(&task) {
            Some(known) if known.leased.lease.token_digest == leased.lease.token_digest => {
                known.leased.lease = leased.lease.clone();
                (known.renewed_at, known.unsaved) = (Some(now), None);
            }
            // The row is right.
            Some(_) | None => {
                drop(inner);
                self.insert_renewed(leased.clone(), Some(now));
            }
        }
    }

    pub(super) fn get(&self, task: TaskKey) -> Option<KnownLease> {
        self.inner.lock().known.get(&task).cloned()
    }

    /// Keeps what a heartbeat said that was not written.
    pub(super) fn keep(&self, task: TaskKey, details: Payload) {
        if let Some(known) = self.inner.lock().known.get_mut(&task) {
            known.unsaved = Some(details);
        }
    }

    /// Takes what the last heartbeat of a task said, if it was not written.
    pub(super) fn take_unsaved(&self, task: TaskKey) -> Option<Payload> {
        self.inner.lock().known.get_mut(&task)?.unsaved.take()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inner.lock().known.is_empty()
    }

    /// The task has no lease any more. The one that it had, if it was known.
    pub(super) fn remove(&self, task: TaskKey) -> Option<LeasedTask> {
        self.inner.lock().remove(task)
    }

    /// The lease with this digest is not there any more.
    pub(super) fn forget(&self, task: TaskKey, token_digest: [u8; 16]) {
        let mut inner = self.inner.lock();
        let known = inner.known.get(&task);
        if known.is_some_and(|known| known.leased.lease.token_digest == token_digest) {
            inner.remove(task);
        }
    }

    /// What the worker of a task is told with its next heartbeat. False if it is not known
    /// here that one has it.
    pub(super) fn tell(&self, task: TaskKey, signals: AttemptSignals) -> bool {
        match self.inner.lock().known.get_mut(&task) {
            Some(known) => {
                known.leased.lease.cancel_requested = signals.cancel_requested;
                known.leased.lease.paused = signals.paused;
                true
            }
            None => false,
        }
    }

    /// A task is to be looked at.
    pub(super) fn look_at(&self, task: TaskKey, at: Timestamp) {
        let mut inner = self.inner.lock();
        if inner.times.len() >= TIMES_MAX {
            return;
        }
        inner.times.insert((at, task));
        let is_first = inner.times.first().is_some_and(|(first, _)| *first == at);
        drop(inner);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// When the next task is to be looked at.
    pub(super) fn next_time(&self) -> Option<Timestamp> {
        self.inner.lock().times.first().map(|(at, _)| *at)
    }

    /// Returns once there may be an earlier time.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The tasks whose time has come, at most so many. One whose lease was prolonged
    /// meanwhile has its time later.
    pub(super) fn due(&self, now: Timestamp, max: usize) -> Vec<TaskKey> {
        let mut due = Vec::new();
        let mut inner = self.inner.lock();
        while due.len() < max
            && let Some((at, task)) = inner.times.first().copied()
            && at <= now
        {
            inner.times.pop_first();
            match inner.known.get_mut(&task) {
                Some(known) if known.leased.lease.expires_at > now => {
                    known.looked_at = known.leased.lease.expires_at;
                    let looked_at = known.looked_at;
                    inner.times.insert((looked_at, task));
                }
                Some(_) | None => due.push(task),
            }
        }
        due
    }
}

impl KnownLease {
    /// Whether a heartbeat that has something to say, or nothing, is to be written.
    pub(super) fn is_to_be_renewed(&self, has_details: bool, now: Timestamp) -> bool {
        let Some(renewed_at) = self.renewed_at else {
            return true;
        };
        let lease = self.leased.lease.duration;
        let heartbeat = self.leased.task.attempt.heartbeat;
        let silence = heartbeat.map_or(lease, |heartbeat| heartbeat.min(lease));
        let interval = silence / RENEWED_RECENTLY;
        let interval = if has_details { interval.min(RENEWAL_INTERVAL_MAX) } else { interval };
        now.since(renewed_at) >= interval
    }
}

#[cfg(test)]
mod tests {
    use dacapo_model::ids::{EventId, RunId, RunKey, WorkflowHash};
    use dacapo_model::task::Priority;
    use dacapo_store::task::{Lease, TaskAttempt, TaskRow};
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn leased(event_id: u64, expires_at: Timestamp) -> LeasedTask {
        let key = RunKey { hash: WorkflowHash(1), run_id: RunId(Uuid::from_u128(1)) };
        let attempt = TaskAttempt {
            number: 1,
            start_to_close: Duration::from_secs(60),
            heartbeat: None,
            close_by: None,
            last_failure: None,
            details: None,
        };
        let task = TaskRow {
            key,
            event_id: EventId(event_id),
            namespace: "default".parse().expect("valid"),
            queue: "q".parse().expect("valid"),
            activity_type: "a".parse().expect("valid"),
            priority: Priority::default(),
            fairness_key: None,
            fairness_rank: 0,
            visible_at: at(0),
            expires_at: None,
            attempt,
            lease_epoch: 1,
        };
        let lease = Lease {
            worker: "w".parse().expect("valid"),
            token_digest: [1; 16],
            started_at: at(0),
            expires_at,
            duration: Duration::from_secs(10),
            cancel_requested: false,
            paused: false,
        };
        LeasedTask { task, lease }
    }

    fn key(leased: &LeasedTask) -> TaskKey {
        (leased.task.key, leased.task.event_id)
    }

    #[test]
    fn a_task_that_has_ended_is_not_looked_at() {
        let leases = Leases::default();
        let (ended, silent) = (leased(2, at(10)), leased(3, at(10)));
        leases.insert(ended.clone());
        leases.insert(silent.clone());
        leases.remove(key(&ended));
        assert_eq!(leases.due(at(9), 10), []);
        assert_eq!(leases.due(at(10), 10), [key(&silent)]);
        assert_eq!(leases.next_time(), None);
    }

    #[test]
    fn a_lease_that_was_prolonged_is_looked_at_later() {
        let leases = Leases::default();
        leases.insert(leased(2, at(10)));
        leases.renewed(&leased(2, at(19)), at(9));
        assert_eq!(leases.due(at(10), 10), []);
        assert_eq!(leases.next_time(), Some(at(19)));
        leases.renewed(&leased(2, at(28)), at(18));
        leases.remove(key(&leased(2, at(28))));
        assert_eq!(leases.next_time(), None, "wherever it stood");
    }

    #[test]
    fn heartbeats_without_end_are_written_now_and_then() {
        let leases = Leases::default();
        leases.insert(leased(2, at(10)));
        let task = key(&leased(2, at(10)));
        let is_written =
            |has_details, now| leases.get(task).expect("known").is_to_be_renewed(has_details, now);
        assert!(is_written(true, at(0)), "the first is");
        leases.renewed(&leased(2, at(10)), at(0));
        assert!(!is_written(false, at(1)) && !is_written(true, at(0)));
        assert!(is_written(true, at(1)) && is_written(false, at(2)));
    }

    #[test]
    fn heartbeats_are_written_within_a_heartbeat_timeout_shorter_than_the_lease() {
        let mut leased = leased(2, at(4));
        leased.lease.duration = Duration::from_secs(60);
        leased.task.attempt.heartbeat = Some(Duration::from_secs(4));
        let leases = Leases::default();
        leases.renewed(&leased, at(0));
        let known = leases.get(key(&leased)).expect("known");
        let just_before = Timestamp::from_micros(499_999);
        assert!(!known.is_to_be_renewed(false, just_before));
        assert!(known.is_to_be_renewed(false, Timestamp::from_micros(500_000)));
    }
}
