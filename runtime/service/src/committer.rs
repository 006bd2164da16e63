//! Group commit: transitions that arrive while a database transaction is under
//! way share the next one.

use std::sync::Arc;

use dacapo_model::payload::Payload;
use dacapo_store::Store;
use dacapo_store::commit::{CommitUnit, RunTransition};
use dacapo_store::error::StoreError;
use dacapo_store::shard::Ownership;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Units that wait for the committer. Each run has at most one, so this bounds
/// how many runs hold a decided transition; more wait in their actors.
const QUEUE: usize = 4_096;

/// Units written in one transaction. More add latency for the first of them
/// without saving a round trip that matters.
const BATCH_UNITS_MAX: usize = 512;

/// Units for which a further commit is started beside the one under way. Fewer
/// share the next one: each commit costs the database as much as a dozen units.
const COMPANY_MIN: usize = 16;

/// Payload bytes written in one transaction.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What became of a unit that was not committed for sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitFailure {
    /// Another writer was first, or this unit was committed before: read again.
    Conflict,
    /// No verdict: it may have been committed. Wait, then read again.
    Unavailable,
    /// This node does not own the run any more: stop.
    Fenced,
}

struct Job {
    unit: CommitUnit,
    done: oneshot::Sender<Result<(), CommitFailure>>,
}

/// Hands units to the committing task. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Committer {
    jobs: mpsc::Sender<Job>,
}

impl Committer {
    /// Starts the task. It ends when the last handle is dropped; `fenced` is
    /// cancelled when the store says that another node has taken over.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        ownership: Arc<Ownership>,
        fenced: CancellationToken,
    ) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        tokio::spawn(collect(Arc::new(Worker { store, ownership, fenced }), queue));
        Self { jobs }
    }

    /// Commits a unit together with whatever else is waiting. Returns once it is
    /// durable, or once it is known or feared that it is not.
    pub(crate) async fn commit(&self, unit: CommitUnit) -> Result<(), CommitFailure> {
        let (done, verdict) = oneshot::channel();
        if self.jobs.send(Job { unit, done }).await.is_err() {
            return Err(CommitFailure::Unavailable);
        }
        verdict.await.unwrap_or(Err(CommitFailure::Unavailable))
    }
}

struct Worker {
    store: Arc<dyn Store>,
    ownership: Arc<Ownership>,
    fenced: CancellationToken,
}

/// What waits for the next commit.
#[derive(Default)]
struct Batch {
    units: Vec<CommitUnit>,
    waiting: Vec<oneshot::Sender<Result<(), CommitFailure>>>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, Job { unit, done }: Job) {
        self.bytes += unit_bytes(&unit);
        self.units.push(unit);
        self.waiting.push(done);
    }

    /// One unit may go beyond the bytes: it must be written, too.
    fn has_room(&self) -> bool {
        self.units.len() < BATCH_UNITS_MAX && self.bytes < BATCH_BYTES_MAX
    }
}

/// Collects units while commits are under way, and starts the next commit when it
/// may.
async fn collect(worker: Arc<Worker>, mut queue: mpsc::Receiver<Job>) {
    let at_once = worker.store.commits_at_once();
    let mut batch = Batch::default();
    let mut under_way = JoinSet::new();
    let mut open = true;
    while open || !under_way.is_empty() {
        tokio::select! {
            job = queue.recv(), if open && batch.has_room() => match job {
                Some(job) => batch.add(job),
                None => open = false,
            },
            Some(ended) = under_way.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a commit panicked");
                }
            }
        }
        while batch.has_room()
            && let Ok(job) = queue.try_recv()
        {
            batch.add(job);
        }
        let alone = under_way.is_empty();
        let may_start = alone || (under_way.len() < at_once && batch.units.len() >= COMPANY_MIN);
        if may_start && !batch.units.is_empty() {
            let Batch { units, waiting, .. } = std::mem::take(&mut batch);
            let worker = worker.clone();
            under_way.spawn(async move { worker.write(units, waiting).await });
        }
    }
}

impl Worker {
    async fn write(
        &self,
        mut units: Vec<CommitUnit>,
        waiting: Vec<oneshot::Sender<Result<(), CommitFailure>>>,
    ) {
        let verdict = self.commit(&units).await;
        if verdict == Err(CommitFailure::Conflict) && units.len() > 1 {
            // One of them is to blame; the others must not suffer for it.
            for (unit, done) in units.drain(..).zip(waiting) {
                let verdict = self.commit(std::slice::from_ref(&unit)).await;
                answer(done, verdict);
            }
            return;
        }
        for done in waiting {
            answer(done, verdict);
        }
    }

    async fn commit(&self, units: &[CommitUnit]) -> Result<(), CommitFailure> {
        match self.store.commit(&self.ownership, units).await {
            Ok(()) => Ok(()),
            Err(error @ StoreError::Conflict { .. }) => {
                tracing::debug!(%error, units = units.len(), "commit refused");
                Err(CommitFailure::Conflict)
            }
            Err(error @ StoreError::Fenced { .. }) => {
                tracing::error!(%error, "this node has lost its shards");
                self.fenced.cancel();
                Err(CommitFailure::Fenced)
            }
            Err(error) => {
                tracing::warn!(error = ?error, units = units.len(), "commit failed");
                Err(CommitFailure::Unavailable)
            }
        }
    }
}

fn unit_bytes(unit: &CommitUnit) -> usize {
    unit.transitions.iter().map(transition_bytes).sum()
}

fn transition_bytes(transition: &RunTransition) -> usize {
    let events = transition.events.iter().filter_map(|event| event.attributes.payload());
    let updates = transition.updates_set.iter().map(|admitted| &admitted.update.input);
    let results = transition.query_results_set.iter().map(|(_, value)| value);
    let payloads = events.map(|(_, payload)| payload).chain(updates).chain(results);
    payloads.map(Payload::len).sum()
}

fn answer(done: oneshot::Sender<Result<(), CommitFailure>>, verdict: Result<(), CommitFailure>) {
    // An actor that is gone has no use for the verdict: history has it.
    let _ = done.send(verdict);
}
