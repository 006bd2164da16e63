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

/// A heartbeat is not written if one was written so short a part of the lease ago, and what
/// it says not more often than that.
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
    /// When a heartbeat was written, if one was.
    renewed_at: Option<Timestamp>,
    /// What a later one said.
    unsaved: Option<Payload>,
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
        let expires_at = leased.lease.expires_at;
        let mut inner = self.inner.lock();
        if inner.known.len() < KNOWN_MAX || inner.known.contains_key(&task) {
            inner.known.insert(task, KnownLease { leased, renewed_at, unsaved: None });
        }
        drop(inner);
        self.look_at(task, expires_at);
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

    /// The task has no lease any more.
    pub(super) fn remove(&self, task: TaskKey) {
        self.inner.lock().known.remove(&task);
    }

    /// The lease with this digest is not there any more.
    pub(super) fn forget(&self, task: TaskKey, token_digest: [u8; 16]) {
        let mut inner = self.inner.lock();
        let known = inner.known.get(&task);
        if known.is_some_and(|known| known.leased.lease.token_digest == token_digest) {
            inner.known.remove(&task);
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
            let expires_at = inner.known.get(&task).map(|known| known.leased.lease.expires_at);
            match expires_at {
                Some(later) if later > now => {
                    inner.times.insert((later, task));
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
        let interval = self.leased.lease.duration / RENEWED_RECENTLY;
        let interval = if has_details { interval.min(RENEWAL_INTERVAL_MAX) } else { interval };
        now.since(renewed_at) >= interval
    }
}
