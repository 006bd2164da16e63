//! Group commit: transitions that arrive while a database transaction is under
//! way share the next one.

use std::sync::Arc;

use dacapo_model::payload::Payload;
use dacapo_store::Store;
use dacapo_store::commit::CommitUnit;
use dacapo_store::error::StoreError;
use dacapo_store::shard::Ownership;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Units that wait for the committer. Each run has at most one, so this bounds
/// how many runs hold a decided transition; more wait in their actors.
const QUEUE: usize = 4_096;

/// Units written in one transaction. More add latency for the first of them
/// without saving a round trip that matters.
const BATCH_UNITS_MAX: usize = 512;

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
        tokio::spawn(Worker { store, ownership, fenced }.run(queue));
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

impl Worker {
    async fn run(self, mut queue: mpsc::Receiver<Job>) {
        let mut carried = None;
        loop {
            let first = match carried.take() {
                Some(job) => job,
                None => match queue.recv().await {
                    Some(job) => job,
                    None => return,
                },
            };
            let (units, waiting, next) = collect(first, &mut queue);
            carried = next;
            self.write(units, waiting).await;
        }
    }

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

type Collected = (Vec<CommitUnit>, Vec<oneshot::Sender<Result<(), CommitFailure>>>, Option<Job>);

/// Takes what is waiting, up to the limits of one transaction; the job that did
/// not fit comes back.
fn collect(first: Job, queue: &mut mpsc::Receiver<Job>) -> Collected {
    let mut bytes = unit_bytes(&first.unit);
    let mut units = vec![first.unit];
    let mut waiting = vec![first.done];
    while units.len() < BATCH_UNITS_MAX {
        let Ok(job) = queue.try_recv() else {
            break;
        };
        bytes += unit_bytes(&job.unit);
        if bytes > BATCH_BYTES_MAX {
            return (units, waiting, Some(job));
        }
        units.push(job.unit);
        waiting.push(job.done);
    }
    (units, waiting, None)
}

fn unit_bytes(unit: &CommitUnit) -> usize {
    unit.transitions
        .iter()
        .flat_map(|transition| &transition.events)
        .filter_map(|event| event.attributes.payload())
        .map(|(_, payload)| Payload::len(payload))
        .sum()
}

fn answer(done: oneshot::Sender<Result<(), CommitFailure>>, verdict: Result<(), CommitFailure>) {
    // An actor that is gone has no use for the verdict: history has it.
    let _ = done.send(verdict);
}
