//! Task queues: how attempts of activities come to workers, and stay with them.
//!
//! ```text
//!  run's actor ── a task is scheduled ──▶ a poll waits? ─ yes ─▶ task and lease in one commit
//!                                             │ no                      │
//!                                             ▼                         ▼
//!                                        task_queues ── claim ──▶ the poll is answered
//!                                             ▲                         │ heartbeats: renew
//!                        the run: next attempt│                         ▼
//!                                        expiry: a lease is over, a task has waited too long
//! ```
//!
//! The rows are the truth (`dacapo_store::task`); what is here makes them fast. A claim
//! gives each task to one poll, whoever else claims. What becomes of a task is decided by
//! its run alone: this module tells it that a time is over, and the reports of workers go
//! to it like any other message. So a node that loses everything here loses time only.

mod claim;
mod expiry;
mod leases;
mod matching;
mod metrics;
mod offers;
mod pace;
mod poll;
mod poller;
mod queue;
mod rank;
mod release;
mod renew;
mod resolve;
mod seen;
mod settings;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use dacapo_engine::guest::AttemptSignals;
use dacapo_model::ids::{NamespaceName, QueueName};
use dacapo_model::time::Timestamp;
use dacapo_store::Store;
use dacapo_store::queue_settings::QueueSettings;
use dacapo_store::task::{LeasedTask, TaskKey};
use parking_lot::Mutex;
use tokio::sync::Notify;

pub(crate) use self::claim::look_for_tasks;
pub(crate) use self::expiry::run;
use self::leases::Leases;
use self::matching::Mode;
use self::metrics::TaskMetrics;
pub use self::offers::Offered;
pub use self::pace::LastMinute;
pub(crate) use self::poll::poll;
pub(crate) use self::poller::{Poller, Promise};
pub(crate) use self::queue::Queue;
pub(crate) use self::release::{release, release_leases};
pub use self::renew::LeaseAnswer;
pub(crate) use self::renew::{Heartbeat, renew, write_last};
pub(crate) use self::resolve::{Resolved, resolve};
pub use self::seen::SeenWorker;
use self::settings::Settings;
pub(crate) use self::settings::change_settings;
use crate::runtime::Shared;

/// Queues that are kept here although no poll waits at them.
const IDLE_QUEUES_MAX: usize = 10_000;

/// All task queues that this node has to do with.
pub(crate) struct Queues {
    /// Since when it is known who polls.
    watched_since: Timestamp,
    settings: Settings,
    by_name: Mutex<HashMap<(NamespaceName, QueueName), Arc<Queue>>>,
    leases: Leases,
    pub(crate) metrics: TaskMetrics,
    telling: Telling,
    /// A poll waits: leases are looked through more often from now on.
    polled: Notify,
}

/// Tasks whose runs are being told that their time is over.
#[derive(Clone, Default)]
struct Telling(Arc<Mutex<HashSet<TaskKey>>>);

/// A run is being told, until this is dropped.
struct Told {
    telling: Telling,
    task: TaskKey,
}

impl Telling {
    /// None if its run is being told already.
    fn enter(&self, task: TaskKey) -> Option<Told> {
        let is_new = self.0.lock().insert(task);
        is_new.then(|| Told { telling: self.clone(), task })
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.telling.0.lock().remove(&self.task);
    }
}

impl Queues {
    /// With what is set of queues. Read once the shards are this node's: nobody else changes
    /// it from then on.
    pub(crate) async fn load(
        store: &dyn Store,
        now: Timestamp,
    ) -> dacapo_store::error::Result<Self> {
        Ok(Self {
            watched_since: now,
            settings: Settings::of(store.all_queue_settings().await?),
            by_name: Mutex::default(),
            leases: Leases::default(),
            metrics: TaskMetrics::default(),
            telling: Telling::default(),
            polled: Notify::default(),
        })
    }

    pub(crate) fn watched_since(&self) -> Timestamp {
        self.watched_since
    }

    /// What is set of a queue, if anything.
    pub(crate) fn settings(
        &self,
        namespace: &NamespaceName,
        name: &QueueName,
    ) -> Option<QueueSettings> {
        self.settings.get(namespace, name)
    }

    /// The queues of a namespace are gone with it: nothing is set of them any more, and polls
    /// that wait are to wait no longer. They must not get tasks of another namespace that gets
    /// its name.
    pub(crate) fn forget(&self, namespace: &NamespaceName) {
        self.settings.forget(namespace);
        self.by_name.lock().retain(|(of, _), queue| {
            let is_its = of == namespace;
            if is_its {
                queue.dismiss_pollers();
            }
            !is_its
        });
    }

    /// The queue of this name. All names are queues.
    pub(crate) fn queue(&self, namespace: &NamespaceName, name: &QueueName) -> Arc<Queue> {
        let mut by_name = self.by_name.lock();
        let key = (namespace.clone(), name.clone());
        if let Some(queue) = by_name.get(&key) {
            return queue.clone();
        }
        if by_name.len() >= IDLE_QUEUES_MAX {
            by_name.retain(|_, queue| Arc::strong_count(queue) > 1 || queue.has_pollers());
        }
        let mode = self.settings.mode(namespace, name);
        let queue = Arc::new(Queue::new(namespace.clone(), name.clone(), mode));
        by_name.insert(key, queue.clone());
        queue
    }

    /// The queue of this name, if this node has anything to do with it.
    pub(crate) fn known(&self, namespace: &NamespaceName, name: &QueueName) -> Option<Arc<Queue>> {
        self.by_name.lock().get(&(namespace.clone(), name.clone())).cloned()
    }

    /// The queues of a namespace that workers have polled lately, or of which anything is
    /// set.
    pub(crate) fn in_use(&self, namespace: &NamespaceName, now: Timestamp) -> BTreeSet<QueueName> {
        let by_name = self.by_name.lock();
        let queues = by_name.values().filter(|queue| queue.namespace == *namespace);
        let polled = queues.filter(|queue| !queue.workers(now).is_empty());
        polled.map(|queue| queue.name.clone()).chain(self.settings.queues(namespace)).collect()
    }

    /// The lease of a task, if a worker has it and that is known here.
    pub(crate) fn leased(&self, task: TaskKey) -> Option<LeasedTask> {
        self.leases.get(task).map(|known| known.leased)
    }

    fn any_pollers(&self) -> bool {
        self.by_name.lock().values().any(|queue| queue.has_pollers())
    }
}

/// A worker has a task by a commit that was just done.
pub(crate) fn note_lease(shared: &Shared, leased: LeasedTask) {
    shared.queues.leases.insert(leased);
}

/// A task has come into a queue, by a commit that was just done: a new one, or one that
/// goes back for its next attempt. That may have been in hand, of whoever.
pub(crate) fn note_came(shared: &Arc<Shared>, queue: &Arc<Queue>) {
    queue.note_task(shared.clock.now());
    if shared.queues.settings.is_any() && queue.mode() != Mode::Open {
        note_waiting(shared, queue);
    }
}

/// No worker has the task any more, by a commit that was just done: what it reports is
/// late.
pub(crate) fn note_no_lease(shared: &Arc<Shared>, task: TaskKey) {
    let Some(leased) = shared.queues.leases.remove(task) else {
        return;
    };
    // There may be room for another one.
    if shared.queues.settings.is_any()
        && let Some(queue) = shared.queues.known(&leased.task.namespace, &leased.task.queue)
        && queue.mode() != Mode::Open
    {
        note_waiting(shared, &queue);
    }
}

/// A task may be handed out from now on, by a commit that was just done.
pub(crate) fn note_waiting(shared: &Arc<Shared>, queue: &Arc<Queue>) {
    queue.matching.lock().added();
    look_for_tasks(shared, queue);
}

/// A task is to be looked at when this time has come: it is handed out then, or its time
/// is over.
pub(crate) fn look_at(shared: &Shared, task: TaskKey, at: Timestamp) {
    shared.queues.leases.look_at(task, at);
}

/// The worker of a task is told with its next heartbeat. False if it is not known here
/// that one has it.
pub(crate) fn tell_worker(shared: &Shared, task: TaskKey, signals: AttemptSignals) -> bool {
    shared.queues.leases.tell(task, signals)
}
