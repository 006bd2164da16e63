//! Whether the store takes commits, and what everybody does while it does not.
//!
//! The first commit that fails tells everybody. From then on nobody tries but one probe,
//! which writes; all others wait for it. Who asks for something is refused after
//! [`PATIENCE`]; what runs have in hand waits as long as it takes. So a database that
//! is full or read-only is asked about once a second, not by each run as fast as it
//! can read its history and come to the same point again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_store::error::StoreError;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::{nth_pause, spread};
use crate::error::{Result, ServiceError};
use crate::hold::Hold;
use crate::log_limit::LogLimit;

/// How long requests wait for a store that has begun to fail. A database that
/// restarts is back before that.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The first pause before a probe. The pauses grow until a commit succeeds: a disk
/// that is nearly full has room for a probe, and none for a commit.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A commit that succeeded so short a time ago is as good as a probe.
const RECENT: Duration = Duration::from_secs(1);

/// Bytes of starts that wait although nobody waits for them any more. More are not
/// taken while commits fail and probes succeed.
const UNDECIDED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What such a start holds beside its history.
const START_BYTES: usize = 64 * 1024;

/// What is known of the store.
pub(crate) struct StoreHealth {
    /// Since when it fails; none while it works.
    failing: watch::Sender<Option<Instant>>,
    /// Somebody could not read, and wants to know.
    suspected: Notify,
    /// Probes since a commit succeeded.
    probes: AtomicU32,
    writes: Mutex<Writes>,
    undecided: AtomicUsize,
    log: LogLimit,
    /// Whatever waits is to stop.
    halted: CancellationToken,
}

#[derive(Default)]
struct Writes {
    last: Option<Instant>,
    /// From when and until when the store failed, if no commit has succeeded since: a
    /// probe that succeeds may be all that does.
    outage: Option<(Instant, Instant)>,
}

impl Writes {
    fn committed(&mut self, now: Instant) {
        *self = Self { last: Some(now), outage: None };
    }

    /// The store had failed since then.
    fn probed(&mut self, now: Instant, failed_since: Option<Instant>) {
        self.last = Some(now);
        if let Some(since) = failed_since {
            self.outage = Some((since, now));
        }
    }

    /// Since when a store fails that does so now.
    fn failing_since(&self, now: Instant) -> Instant {
        match self.outage {
            Some((since, until)) if now < until + PATIENCE => since,
            _ => now,
        }
    }
}

/// A start that waits although nobody waits for it any more.
pub(crate) struct Undecided {
    health: Arc<StoreHealth>,
    bytes: usize,
}

impl Drop for Undecided {
    fn drop(&mut self) {
        self.health.undecided.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl StoreHealth {
    pub(crate) fn new(halted: CancellationToken) -> Self {
        Self {
            failing: watch::Sender::new(None),
            suspected: Notify::new(),
            probes: AtomicU32::new(0),
            writes: Mutex::default(),
            undecided: AtomicUsize::new(0),
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
        self.writes.lock().committed(now());
        self.works();
    }

    /// A probe has succeeded.
    fn probed(&self) {
        let failed_since = self.works();
        self.writes.lock().probed(now(), failed_since);
    }

    /// Says since when it has failed, if it did until now.
    fn works(&self) -> Option<Instant> {
        if !self.is_failing() {
            return None;
        }
        let since = self.failing.send_replace(None)?;
        tracing::info!(failed_for = ?since.elapsed(), "the database takes writes again");
        Some(since)
    }

    /// A commit, or a probe, has failed without a verdict.
    pub(crate) fn failed(&self, error: &StoreError, what: &'static str) {
        self.warn(error, what);
        let since = self.writes.lock().failing_since(now());
        self.failing.send_if_modified(|failing| {
            let is_news = failing.is_none();
            failing.get_or_insert(since);
            is_news
        });
    }

    /// A commit has failed without a verdict, and it alone may be to blame.
    pub(crate) fn failed_alone(&self, error: &StoreError) {
        self.warn(error, "a commit of one run fails again and again");
        self.suspect();
    }

    fn warn(&self, error: &StoreError, what: &'static str) {
        if let Some(withheld) = self.log.allows() {
            tracing::warn!(error = ?error, withheld, "{what}; trying again");
        }
    }

    /// Something could not be read, or written. That says little about other writes, so
    /// they are probed.
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

    /// Whether it has failed for so long that nobody is to wait any more.
    pub(crate) fn is_given_up(&self) -> bool {
        self.failing.borrow().is_some_and(|since| since.elapsed() >= PATIENCE)
    }

    /// Whether nobody is to wait any more for what began then. Who comes late in an
    /// outage has no patience of its own: others may have waited before it began.
    pub(crate) fn is_over(&self, begun: Instant) -> bool {
        begun.elapsed() >= PATIENCE || self.is_given_up()
    }

    /// Refuses to change anything while that is hopeless.
    pub(crate) fn admit(&self) -> Result<()> {
        if self.is_given_up() { Err(takes_no_writes()) } else { Ok(()) }
    }

    /// Refuses to start another run while too many starts wait that nobody waits for.
    pub(crate) fn admit_start(&self) -> Result<()> {
        let undecided = self.undecided.load(Ordering::Relaxed);
        if undecided >= UNDECIDED_BYTES_MAX { Err(takes_no_writes()) } else { Ok(()) }
    }

    /// Counts a start that has to wait, with a history of so many bytes, as long as the
    /// answer is kept.
    pub(crate) fn undecided(self: &Arc<Self>, history_bytes: u64) -> Undecided {
        let bytes = START_BYTES + usize::try_from(history_bytes).unwrap_or(UNDECIDED_BYTES_MAX);
        self.undecided.fetch_add(bytes, Ordering::Relaxed);
        Undecided { health: self.clone(), bytes }
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
pub(crate) async fn check(hold: &Hold) -> Result<()> {
    let health = &hold.health;
    if health.is_failing() {
        return Err(takes_no_writes());
    }
    let last_write = health.writes.lock().last;
    if last_write.is_none_or(|at| at.elapsed() > RECENT) {
        probe(hold).await;
    }
    if health.is_failing() { Err(takes_no_writes()) } else { Ok(()) }
}

/// Probes while the store fails, and when somebody suspects it. Runs until the node
/// has stopped: runs that are to come to rest wait for it.
pub(crate) async fn watch(hold: Arc<Hold>) {
    let health = &hold.health;
    let mut failing = health.failing.subscribe();
    loop {
        tokio::select! {
            () = health.halted.cancelled() => return,
            () = hold.loss.of_any_kind() => return,
            () = async { drop(failing.wait_for(|failing| failing.is_some()).await) } => {}
            () = health.suspected.notified() => {}
        }
        if health.is_failing() {
            let probes = health.probes.fetch_add(1, Ordering::Relaxed);
            tokio::select! {
                () = health.halted.cancelled() => return,
                () = tokio::time::sleep(pause(probes, hold.owned.node().0.as_u128())) => {}
            }
        }
        probe(&hold).await;
    }
}

async fn probe(hold: &Hold) {
    match hold.store.probe_write().await {
        Ok(()) => hold.health.probed(),
        Err(error @ StoreError::WentBack { .. }) => hold.loss.note(&error).await,
        Err(error) => hold.health.failed(&error, "the database takes no writes"),
    }
}

/// Each time longer, and of another length for another node or run, so that those of
/// one database do not try it together.
pub(crate) fn pause(tries: u32, seed: u128) -> Duration {
    spread(nth_pause(PAUSE, PAUSE_MAX, tries), seed, tries)
}

#[expect(clippy::disallowed_methods, reason = "a node waits for its store by the machine's time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Arc<StoreHealth> {
        Arc::new(StoreHealth::new(CancellationToken::new()))
    }

    fn fail(health: &StoreHealth) {
        health.failed(&StoreError::Unavailable { source: "full".into() }, "a commit failed");
    }

    #[test]
    fn an_outage_goes_on_while_probes_succeed_and_no_commit_does() {
        let (begun, second) = (now(), Duration::from_secs(1));
        let mut writes = Writes::default();
        for at in (0..20).map(|n| begun + second * n) {
            assert_eq!(writes.failing_since(at), begun);
            writes.probed(at + second / 2, Some(begun));
            writes.probed(at + second / 2, None);
        }
        let later = begun + second * 20 + PATIENCE;
        assert_eq!(writes.failing_since(later), later, "that was another");
        writes.committed(begun);
        assert_eq!(writes.failing_since(begun + second), begun + second);
    }

    #[test]
    fn a_store_that_fails_is_given_up_for_a_while() {
        let health = health();
        fail(&health);
        assert!(health.is_failing() && !health.is_given_up());
        health.probed();
        assert!(!health.is_failing());
        health.writes.lock().outage = Some((now() - PATIENCE, now()));
        fail(&health);
        assert!(health.is_given_up());
        health.committed();
        fail(&health);
        assert!(!health.is_given_up(), "this is another outage");
    }

    #[test]
    fn who_comes_late_in_an_outage_waits_no_longer_than_the_others() {
        let health = health();
        let long_ago = now().checked_sub(PATIENCE).expect("the machine is up for longer");
        assert!(!health.is_over(now()));
        assert!(health.is_over(long_ago), "this one alone has waited");
        fail(&health);
        assert!(!health.is_over(now()), "it may be back in a moment");
        health.probed();
        health.writes.lock().outage = Some((long_ago, now()));
        fail(&health);
        assert!(health.is_over(now()), "others have waited for it");
    }

    #[test]
    fn starts_that_wait_for_the_store_are_bounded_by_their_bytes() {
        let health = health();
        let bytes = (UNDECIDED_BYTES_MAX / 2 - START_BYTES) as u64;
        let first = health.undecided(bytes);
        health.admit_start().expect("there is room");
        let second = health.undecided(bytes);
        assert_eq!(health.admit_start().expect_err("too many").code, ErrorCode::Unavailable);
        drop(second);
        health.admit_start().expect("there is room again");
        drop(first);
    }
}
