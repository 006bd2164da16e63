//! Whether the store takes commits, and what everybody does while it does not.
//!
//! The first commit that fails is the news. From then on nobody tries but one probe,
//! which writes; all others wait for it. Who asks for something is refused after
//! [`PATIENCE`]; what runs have in hand waits as long as it takes. So a database that
//! is full or read-only is asked about once a second, not by each run as fast as it
//! can read its history and come to the same point again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_store::error::StoreError;
use dacapo_store::shard::NodeId;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Result, ServiceError};
use crate::log_limit::LogLimit;
use crate::runtime::Shared;

/// How long requests wait for a store that has begun to fail. A database that
/// restarts is back before that.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The first pause before a probe. The pauses grow until a commit succeeds: a disk
/// that is nearly full has room for a probe, and none for a commit.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A commit that succeeded so short a time ago is as good as a probe.
const RECENT: Duration = Duration::from_secs(1);

/// What is known of the store.
pub(crate) struct StoreHealth {
    /// Since when it fails; none while it works.
    failing: watch::Sender<Option<Instant>>,
    /// Somebody could not read, and wants to know.
    suspected: Notify,
    /// Probes since a commit succeeded.
    probes: AtomicU32,
    last_write: Mutex<Option<Instant>>,
    log: LogLimit,
    /// Whatever waits is to stop.
    halted: CancellationToken,
}

impl StoreHealth {
    pub(crate) fn new(halted: CancellationToken) -> Self {
        Self {
            failing: watch::Sender::new(None),
            suspected: Notify::new(),
            probes: AtomicU32::new(0),
            last_write: Mutex::new(None),
            log: LogLimit::new(),
            halted,
        }
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing.borrow().is_some()
    }

    /// A commit has succeeded.
    pub(crate) fn committed(&self) {
        self.probes.store(0, Ordering::Relaxed);
        self.wrote();
    }

    /// Something was written.
    fn wrote(&self) {
        *self.last_write.lock() = Some(now());
        if !self.is_failing() {
            return;
        }
        if let Some(since) = self.failing.send_replace(None) {
            tracing::info!(failed_for = ?since.elapsed(), "the database takes writes again");
        }
    }

    /// A commit, or a probe, has failed without a verdict.
    pub(crate) fn failed(&self, error: &StoreError, what: &'static str) {
        if let Some(withheld) = self.log.allows() {
            tracing::warn!(error = ?error, withheld, "{what}; trying again");
        }
        self.failing.send_if_modified(|failing| {
            let is_news = failing.is_none();
            failing.get_or_insert_with(now);
            is_news
        });
    }

    /// Something could not be read. That says little about writes, so they are
    /// probed.
    pub(crate) fn suspect(&self) {
        self.suspected.notify_one();
    }

    /// Returns once the store works.
    pub(crate) async fn until_working(&self) {
        // The sender is in `self`, so it does not go away.
        drop(self.failing.subscribe().wait_for(|failing| failing.is_none()).await);
    }

    /// Waits for the store to work, but not for longer than those who ask for
    /// something are to wait. Says whether it works.
    pub(crate) async fn grace(&self) -> bool {
        let Some(since) = *self.failing.borrow() else {
            return true;
        };
        tokio::select! {
            biased;
            () = self.until_working() => true,
            () = self.halted.cancelled() => false,
            () = tokio::time::sleep_until(since + PATIENCE) => false,
        }
    }

    /// The answer to a request; none if nobody gives one, or if the store has failed
    /// for so long that nobody is to wait any more.
    pub(crate) async fn answer<T>(&self, answered: oneshot::Receiver<T>) -> Option<T> {
        tokio::select! {
            biased;
            answer = answered => answer.ok(),
            () = self.out_of_patience() => None,
        }
    }

    async fn out_of_patience(&self) {
        let mut failing = self.failing.subscribe();
        loop {
            // The sender is in `self`, so it does not go away.
            let since =
                failing.wait_for(|failing| failing.is_some()).await.ok().and_then(|since| *since);
            let Some(since) = since else { continue };
            tokio::select! {
                () = self.until_working() => {}
                () = tokio::time::sleep_until(since + PATIENCE) => return,
            }
        }
    }

    /// Refuses to change anything while that is hopeless.
    pub(crate) fn admit(&self) -> Result<()> {
        match *self.failing.borrow() {
            Some(since) if since.elapsed() >= PATIENCE => Err(takes_no_writes()),
            _ => Ok(()),
        }
    }
}

/// The answer while the store fails. What the request was about was not done, unless
/// a commit without a verdict has done it.
pub(crate) fn takes_no_writes() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "the database takes no writes at present; send the request again later, with the same \
         request id if it changes something",
    )
}

/// Writes to the store, unless that was just done, to see whether it works.
pub(crate) async fn check(shared: &Shared) -> Result<()> {
    let health = &shared.health;
    if health.is_failing() {
        return Err(takes_no_writes());
    }
    let last_write = *health.last_write.lock();
    if last_write.is_none_or(|at| at.elapsed() > RECENT) {
        probe(shared).await;
    }
    if health.is_failing() { Err(takes_no_writes()) } else { Ok(()) }
}

/// Probes while the store fails, and when somebody suspects it. Runs until the node
/// has stopped: runs that are to come to rest wait for it.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let health = &shared.health;
    let mut failing = health.failing.subscribe();
    loop {
        tokio::select! {
            () = shared.halted.cancelled() => return,
            () = shared.fenced.cancelled() => return,
            () = shared.went_back.cancelled() => return,
            () = async { drop(failing.wait_for(|failing| failing.is_some()).await) } => {}
            () = health.suspected.notified() => {}
        }
        if health.is_failing() {
            let probes = health.probes.fetch_add(1, Ordering::Relaxed);
            tokio::select! {
                () = shared.halted.cancelled() => return,
                () = tokio::time::sleep(pause(probes, shared.ownership.node)) => {}
            }
        }
        probe(&shared).await;
    }
}

async fn probe(shared: &Shared) {
    match shared.store.probe_write().await {
        Ok(()) => shared.health.wrote(),
        Err(error @ StoreError::WentBack { .. }) => shared.note_loss(&error),
        Err(error) => shared.health.failed(&error, "the database takes no writes"),
    }
}

/// Up to twice as long as the one before, and of another length on another node, so
/// that those of one database do not probe it together.
pub(crate) fn pause(probes: u32, node: NodeId) -> Duration {
    let longest = PAUSE.saturating_mul(1 << probes.min(8)).min(PAUSE_MAX);
    let [spread, ..] = (node.0.as_u128() >> (8 * (probes % 16))).to_le_bytes();
    longest / 2 + (longest / 2).mul_f64(f64::from(spread) / f64::from(u8::MAX))
}

#[expect(clippy::disallowed_methods, reason = "a node waits for its store by the machine's time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn pauses_grow_up_to_a_second_and_differ_between_nodes() {
        let node = |number| NodeId(Uuid::from_u128(number));
        for probes in 0..40 {
            let (short, long) = (pause(probes, node(0)), pause(probes, node(u128::MAX)));
            assert_eq!(long, (PAUSE * (1 << probes.min(8))).min(PAUSE_MAX));
            assert_eq!(short, long / 2);
        }
        assert_eq!(pause(30, node(u128::MAX)), PAUSE_MAX);
    }
}
