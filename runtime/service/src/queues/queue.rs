//! One task queue of a namespace, as far as this node has to do with it.

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::ids::{NamespaceName, QueueName, TypeName};
use dacapo_model::task::{Priority, TaskRoute};
use dacapo_model::time::Timestamp;
use dacapo_store::Store;
use dacapo_store::error::StoreError;
use dacapo_store::task::Line;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::matching::{Matching, Mode};
use super::metrics::{self, QueueLabels};
use super::offers::{Offered, Offers};
use super::pace::{LastMinute, Pace};
use super::poller::{Poller, Promise};
use super::rank::{Ranks, Unknown};
use super::seen::{Seen, SeenWorker};
use crate::backoff::Backoff;
use crate::health::now;
use crate::workload::Workload;

/// The pauses between two looks that find nothing.
const LOOKS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

pub(crate) struct Queue {
    pub(super) namespace: NamespaceName,
    pub(super) name: QueueName,
    /// Of what is measured of it.
    pub(crate) labels: QueueLabels,
    pub(super) matching: Mutex<Matching>,
    ranks: Mutex<Ranks>,
    seen: Mutex<Seen>,
    offers: Mutex<Offers>,
    pace: Mutex<Pace>,
    looks: Mutex<Looks>,
    /// When a rate of it allows more, if a look waits for that.
    again_at: Mutex<Option<Timestamp>>,
    /// How the last claim failed, if it did, and when.
    claims_fail: Mutex<Option<(Instant, Arc<StoreError>)>>,
}

/// When a queue in which something waits is looked at although this node has added
/// nothing: less and less often while nothing is found.
struct Looks {
    next: Option<Instant>,
    backoff: Backoff,
}

/// A poll waits at its queue, until this is dropped.
pub(super) struct Waiting {
    pub(super) queue: Arc<Queue>,
    pub(super) poller: Arc<Poller>,
}

impl Queue {
    pub(super) fn new(namespace: NamespaceName, name: QueueName, mode: Mode) -> Self {
        let mut matching = Matching::default();
        matching.set_mode(mode);
        Self {
            labels: metrics::labels(&namespace, &name),
            namespace,
            name,
            matching: Mutex::new(matching),
            ranks: Mutex::default(),
            seen: Mutex::default(),
            offers: Mutex::default(),
            pace: Mutex::default(),
            looks: Mutex::new(Looks { next: None, backoff: LOOKS }),
            again_at: Mutex::default(),
            claims_fail: Mutex::default(),
        }
    }

    /// A poll waits from now on.
    pub(super) fn wait(self: &Arc<Self>, poller: Arc<Poller>) -> Waiting {
        let crowded_out = self.matching.lock().add(poller.clone());
        crowded_out.iter().for_each(|poller| poller.dismiss());
        Waiting { queue: self.clone(), poller }
    }

    /// Whether tasks can be claimed, as the last claim has found.
    pub(super) fn note_claim(&self, outcome: Result<(), StoreError>) {
        *self.claims_fail.lock() = outcome.err().map(|error| (now(), Arc::new(error)));
    }

    /// Why tasks can't be claimed, as a claim since then has found.
    pub(super) fn claims_fail_since(&self, then: Instant) -> Option<Arc<StoreError>> {
        let failed = self.claims_fail.lock();
        failed.as_ref().filter(|(at, _)| *at >= then).map(|(_, error)| error.clone())
    }

    /// A worker has begun to poll.
    pub(crate) fn note_poll(&self, poller: &Poller, build_id: Option<String>, now: Timestamp) {
        self.seen.lock().note(poller.worker(), build_id, now);
        self.offers.lock().note(&poller.activity_types, now);
    }

    /// Activity types that polls have asked for lately.
    pub(crate) fn offered(&self, now: Timestamp) -> Offered {
        self.offers.lock().lately(now)
    }

    /// A task has come, by a commit that was just done.
    pub(crate) fn note_task(&self, now: Timestamp) {
        self.pace.lock().came(now);
    }

    /// What has passed lately, as far as this node has seen it.
    pub(crate) fn last_minute(&self, now: Timestamp) -> LastMinute {
        self.pace.lock().last_minute(now)
    }

    /// Workers that have polled lately.
    pub(crate) fn workers(&self, now: Timestamp) -> Vec<SeenWorker> {
        self.seen.lock().lately(now)
    }

    pub(super) fn has_pollers(&self) -> bool {
        self.matching.lock().pollers().next().is_some()
    }

    /// Those that wait are to wait no longer.
    pub(super) fn dismiss_pollers(&self) {
        self.matching.lock().pollers().for_each(|poller| poller.dismiss());
    }

    pub(super) fn mode(&self) -> Mode {
        self.matching.lock().mode()
    }

    /// How tasks are handed out from now on.
    pub(super) fn set_mode(&self, mode: Mode) {
        self.matching.lock().set_mode(mode);
    }

    /// What was promised without asking for limits, and is not given yet.
    pub(super) fn unlimited(&self) -> Workload {
        self.matching.lock().unlimited()
    }

    /// Whether it is to be seen to that the queue is looked at then: no look waits for that
    /// time or an earlier one.
    pub(super) fn looks_again(&self, at: Timestamp) -> bool {
        let mut again_at = self.again_at.lock();
        let is_first = again_at.is_none_or(|before| at < before);
        if is_first {
            *again_at = Some(at);
        }
        is_first
    }

    /// That time has come. False if an earlier one was waited for since.
    pub(super) fn has_looked_again(&self, at: Timestamp) -> bool {
        self.again_at.lock().take_if(|waits| *waits == at).is_some()
    }

    /// Promises a new task of this type to a poll that waits, if none that it could have
    /// waits longer.
    pub(crate) fn promise(&self, activity_type: &TypeName) -> Option<Promise> {
        self.matching.lock().promise(activity_type)
    }

    /// Looks up what a node that has begun does not know of the lines of a queue, so that a
    /// new task does not overtake those of its key that wait since before.
    pub(crate) async fn learn_ranks(&self, store: &dyn Store, route: &TaskRoute) {
        loop {
            let Some(unknown) = self.ranks.lock().unknown(route) else {
                return;
            };
            let line = match unknown {
                Unknown::All => Line::Any,
                Unknown::Line => Line::Of(route.fairness_key.as_ref()),
            };
            let found = store.last_rank(&self.namespace, &self.name, route.priority, line).await;
            match found {
                Ok(last) => self.ranks.lock().learn(route, unknown, last),
                Err(error) => {
                    // Its order is all that suffers.
                    tracing::debug!(queue = %self.name, ?error, "the ranks of a queue are unknown");
                    return;
                }
            }
        }
    }

    /// The place of a new task in the queue.
    pub(crate) fn rank(&self, route: &TaskRoute, now: Timestamp) -> i64 {
        self.ranks.lock().next(route, now)
    }

    /// Whether its polls are to look for tasks that this node may know nothing of.
    pub(super) fn is_to_be_looked_at(&self) -> bool {
        // Leases that end make room in it, and this node may not hear of all.
        if self.mode() != Mode::Open {
            return true;
        }
        let mut looks = self.looks.lock();
        let now = now();
        if looks.next.is_some_and(|next| now < next) {
            return false;
        }
        looks.next = Some(now + looks.backoff.pause());
        true
    }

    /// A task of this rank was handed out.
    pub(crate) fn handed_out(&self, priority: Priority, rank: i64, now: Timestamp) {
        self.pace.lock().handed_out(now);
        self.looks.lock().backoff = LOOKS;
        self.ranks.lock().handed_out(priority, rank);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.queue.matching.lock().remove(&self.poller);
    }
}
