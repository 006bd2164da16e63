//! Group commit: transitions that arrive while a database transaction is under
//! way share the next one.

mod batch;

use std::sync::Arc;
use std::time::Duration;

use dacapo_store::commit::CommitUnit;
use dacapo_store::error::StoreError;
use dacapo_store::shard::Ownership;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use self::batch::{Batch, Job};
use crate::hold::Hold;
use crate::panics::caught;

/// Units that wait for the committer. Each run has at most one, so this bounds
/// how many runs hold a decided transition; more wait in their actors.
const QUEUE: usize = 4_096;

/// When a unit is tried once more that the database has refused for a reason of its own.
const SECOND_TRY_AFTER: Duration = Duration::from_secs(1);

/// Units for which a further commit is started beside the one under way. Fewer
/// share the next one: each commit costs the database as much as a dozen units.
const FURTHER_COMMIT_MIN: usize = 16;

/// What became of a unit that was not committed for sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommitFailure {
    /// Another writer was first, or this unit was committed before: read again.
    Conflict,
    /// The store does not take this unit, for this reason, whoever else is in the
    /// batch. It would end the same again: read again, and record something else.
    Rejected(Arc<str>),
    /// No verdict: it may have been committed, or may yet be. Wait, then read again.
    Unavailable,
    /// This node does not own the run any more, or has to start over: stop.
    Fenced,
}

/// What becomes of a unit.
type Verdict = Result<(), CommitFailure>;

/// What who waits for a unit is told.
struct Answer {
    verdict: Verdict,
    /// The unit, if the store may take it a moment later.
    again: Option<CommitUnit>,
}

impl From<Verdict> for Answer {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, again: None }
    }
}

/// Hands units to the committing task. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Committer {
    jobs: mpsc::Sender<Job>,
}

impl Committer {
    /// Starts the task. It ends when the last handle is dropped.
    pub(crate) fn start(hold: Arc<Hold>) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let mut collector = Collector {
            worker: Arc::new(Worker { hold }),
            queue,
            batch: Batch::default(),
            under_way: JoinSet::new(),
            alone: Arc::default(),
        };
        tokio::spawn(async move {
            // Without it the node would take requests and keep none.
            while let Err(panic) = caught(collector.run()).await {
                tracing::error!(%panic, "the committer starts again");
                // Those who wait hear that there is no verdict.
                collector.batch = Batch::default();
            }
        });
        Self { jobs }
    }

    /// Commits a unit together with whatever else is waiting. Returns once it is
    /// durable, or once it is known or feared that it is not.
    pub(crate) async fn commit(&self, unit: CommitUnit) -> Verdict {
        self.send(unit, false).await
    }

    /// Like [`Self::commit`], with nothing else: for a unit that has had no verdict
    /// again and again, and may be what the store fails at.
    pub(crate) async fn commit_alone(&self, unit: CommitUnit) -> Verdict {
        self.send(unit, true).await
    }

    async fn send(&self, unit: CommitUnit, alone: bool) -> Verdict {
        let Answer { verdict, again } = self.try_once(unit, alone).await;
        let Some(unit) = again else {
            return verdict;
        };
        // Here, and not where units are written: nobody else waits for it.
        tokio::time::sleep(SECOND_TRY_AFTER).await;
        self.try_once(unit, true).await.verdict
    }

    async fn try_once(&self, unit: CommitUnit, alone: bool) -> Answer {
        let (done, answer) = oneshot::channel();
        if self.jobs.send(Job::new(unit, alone, done)).await.is_err() {
            return Err(CommitFailure::Unavailable).into();
        }
        answer.await.unwrap_or_else(|_| Err(CommitFailure::Unavailable).into())
    }
}

/// Collects units while commits are under way, and starts the next commit when it
/// may.
struct Collector {
    worker: Arc<Worker>,
    queue: mpsc::Receiver<Job>,
    batch: Batch,
    under_way: JoinSet<()>,
    /// Held by those under way whose unit stands alone.
    alone: Arc<()>,
}

impl Collector {
    async fn run(&mut self) {
        let mut open = true;
        while open || !self.under_way.is_empty() {
            tokio::select! {
                job = self.queue.recv(), if open && self.batch.has_room() => match job {
                    Some(job) => self.batch.add(job),
                    None => open = false,
                },
                Some(ended) = self.under_way.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a commit ended without an answer");
                    }
                }
            }
            while self.batch.has_room()
                && let Ok(job) = self.queue.try_recv()
            {
                self.batch.add(job);
            }
            if self.may_start() {
                let written = self.batch.take();
                let worker = self.worker.clone();
                let alone = written.alone.then(|| self.alone.clone());
                self.under_way.spawn(async move {
                    worker.write(written).await;
                    drop(alone);
                });
            }
        }
    }

    fn may_start(&self) -> bool {
        if self.batch.is_empty() {
            return false;
        }
        // One that stands alone may take until it times out.
        let alone = Arc::strong_count(&self.alone) - 1;
        let is_worth_it = self.batch.len() >= FURTHER_COMMIT_MIN
            || !self.batch.has_room()
            || self.under_way.len() <= alone;
        self.under_way.is_empty()
            || (is_worth_it && self.under_way.len() < self.worker.hold.store.commits_at_once())
    }
}

struct Worker {
    hold: Arc<Hold>,
}

impl Worker {
    /// Writes a batch. Where one unit may be to blame for the whole, the others must
    /// not suffer for it. Those of shards that are lost are left out; else it is written in
    /// halves, and those in halves, until the one stands alone.
    async fn write(&self, batch: Batch) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            let owned = self.hold.owned.current();
            let (verdict, may_pass) = self.commit(&owned, &part.units, part.alone).await;
            match verdict {
                Err(CommitFailure::Conflict | CommitFailure::Rejected(_)) if part.len() > 1 => {
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]);
                }
                Err(CommitFailure::Fenced) => {
                    let now = self.hold.owned.current();
                    let lost = part.take_lost(&now);
                    let is_explained = !lost.is_empty() || !Arc::ptr_eq(&owned, &now);
                    lost.answer(&verdict);
                    if !is_explained {
                        // The node has to start over: none of them may be written.
                        part.answer(&verdict);
                    } else if !part.is_empty() {
                        parts.push(part);
                    }
                }
                verdict if may_pass => part.answer_again(&verdict),
                verdict => {
                    part.answer(&verdict);
                    if verdict == Err(CommitFailure::Unavailable) {
                        // The rest would hear the same, one time-out after the other.
                        parts.drain(..).for_each(|part| part.answer(&verdict));
                    }
                }
            }
        }
    }

    /// What became of them, and whether what was refused may be taken later.
    async fn commit(
        &self,
        owned: &Ownership,
        units: &[CommitUnit],
        alone: bool,
    ) -> (Verdict, bool) {
        // Somebody else finds out when it works again.
        if !self.hold.health.grace().await {
            return (Err(CommitFailure::Unavailable), false);
        }
        let committed = match caught(self.hold.store.commit(owned, units)).await {
            Ok(committed) => committed,
            // Of a row, perhaps, that nobody has thought of.
            Err(panic) => Err(StoreError::Rejected { reason: panic.to_string(), may_pass: false }),
        };
        if let Err(error) = &committed {
            self.hold.loss.note(error).await;
        }
        let may_pass = matches!(committed, Err(StoreError::Rejected { may_pass: true, .. }));
        (self.verdict_of(committed, units, alone), may_pass)
    }

    fn verdict_of(
        &self,
        committed: dacapo_store::error::Result<()>,
        units: &[CommitUnit],
        alone: bool,
    ) -> Verdict {
        match committed {
            Ok(()) => {
                self.hold.health.committed();
                Ok(())
            }
            Err(error @ StoreError::Conflict { .. }) => {
                tracing::debug!(%error, units = units.len(), "commit refused");
                Err(CommitFailure::Conflict)
            }
            Err(error @ (StoreError::Rejected { .. } | StoreError::Corrupt { .. })) => {
                tracing::warn!(%error, units = units.len(), "commit rejected");
                let reason = match error {
                    StoreError::Rejected { reason, .. } => reason,
                    error => error.to_string(),
                };
                Err(CommitFailure::Rejected(reason.into()))
            }
            Err(StoreError::WentBack { .. } | StoreError::Fenced { .. }) => {
                Err(CommitFailure::Fenced)
            }
            Err(error) if alone => {
                self.hold.health.failed_alone(&error);
                Err(CommitFailure::Unavailable)
            }
            Err(
                error @ (StoreError::Unavailable { .. }
                | StoreError::TooSlow { .. }
                | StoreError::SearchesBusy { .. }),
            ) => {
                self.hold.health.failed(&error, "a commit failed");
                Err(CommitFailure::Unavailable)
            }
        }
    }
}

#[cfg(test)]
mod tests;
