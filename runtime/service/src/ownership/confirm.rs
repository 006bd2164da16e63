//! What is answered from memory is true only while the shards are this node's.
//!
//! Another node may have taken over a moment ago, and have told its callers things
//! that this one does not know. So every answer from memory waits for the store to
//! say that the shard is still held; a check that began after the request came is
//! enough. Requests that come while a check is under way share the next one.

use std::collections::BTreeSet;
use std::sync::Arc;

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::WorkflowHash;
use dacapo_store::Store;
use tokio::sync::{mpsc, oneshot};

use super::{Loss, Owned};
use crate::error::{self, ServiceError};

/// Requests that wait for a check; more wait to be heard.
const QUEUE: usize = 1_024;

type Answer = std::result::Result<(), ServiceError>;

struct Job {
    hash: WorkflowHash,
    done: oneshot::Sender<Answer>,
}

/// Asks the store whose the shards are. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Confirm {
    worker: Arc<Worker>,
    jobs: mpsc::Sender<Job>,
}

struct Worker {
    store: Arc<dyn Store>,
    owned: Owned,
    loss: Loss,
}

impl Confirm {
    /// Starts the task. It ends when the last handle is dropped.
    pub(crate) fn start(store: Arc<dyn Store>, owned: Owned, loss: Loss) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let worker = Arc::new(Worker { store, owned, loss });
        tokio::spawn(work(worker.clone(), queue));
        Self { worker, jobs }
    }

    /// Refuses if the shard of a hash is another node's by now.
    pub(crate) async fn held(&self, hash: WorkflowHash) -> error::Result<()> {
        self.worker.loss.admit()?;
        let (done, answer) = oneshot::channel();
        if self.jobs.send(Job { hash, done }).await.is_err() {
            return Err(ServiceError::stopping());
        }
        answer.await.unwrap_or_else(|_| Err(ServiceError::stopping()))
    }

    /// Refuses if any shard is another node's by now.
    pub(crate) async fn all(&self) -> error::Result<()> {
        let owned = self.worker.owned.current();
        let hashes: Vec<_> = owned.shards().iter().map(|lease| lease.hash_from).collect();
        self.worker.check(&hashes).await
    }
}

impl Worker {
    async fn check(&self, hashes: &[WorkflowHash]) -> Answer {
        let held = self.store.check_held(&self.owned.current(), hashes).await;
        self.loss.judge(held).await?;
        // Something else may have been found out meanwhile.
        self.loss.admit()
    }
}

async fn work(worker: Arc<Worker>, mut queue: mpsc::Receiver<Job>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, QUEUE).await > 0 {
        let hashes: BTreeSet<_> = batch.iter().map(|job| job.hash).collect();
        let hashes: Vec<_> = hashes.into_iter().collect();
        let checking = worker.clone();
        // A task of its own, so that a panic ends the check and not all checks.
        let checked = tokio::spawn(async move { checking.check(&hashes).await }).await;
        let answer = match checked {
            Ok(held) => held,
            Err(panic) => Err(ServiceError::new(ErrorCode::Internal, panic.to_string())),
        };
        for job in batch.drain(..) {
            // Who went away has no use for it.
            let _ = job.done.send(answer.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use dacapo_store::faulty::{Fault, FaultyStore, Operation};
    use dacapo_store::memory::MemoryStore;
    use dacapo_store::shard::NodeId;
    use futures::FutureExt as _;
    use tokio::sync::Semaphore;
    use uuid::Uuid;

    use super::*;

    /// A check that is under way has read the epochs already, perhaps.
    #[tokio::test]
    async fn who_comes_while_a_check_is_under_way_waits_for_the_next_and_shares_it() {
        let inner: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let gate = Arc::new(Semaphore::new(0));
        let asked = Arc::new(AtomicU64::new(0));
        let (script_gate, script_asked) = (gate.clone(), asked.clone());
        let store = FaultyStore::new(inner.clone(), move |call| {
            if call.operation != Operation::CheckHeld {
                return Fault::None;
            }
            script_asked.fetch_add(1, Ordering::SeqCst);
            Fault::Delayed(script_gate.clone())
        });
        let ownership = inner.acquire_all_shards(NodeId(Uuid::nil())).await.expect("takes");
        let owned = Owned::new(ownership);
        let loss = Loss::none_yet(inner.clone(), owned.clone());
        let confirm = Confirm::start(Arc::new(store), owned, loss.clone());
        let ask = |number| {
            let confirm = confirm.clone();
            tokio::spawn(async move { confirm.held(WorkflowHash(number)).await })
        };
        let first = ask(0);
        while asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let others: Vec<_> = (1..=50).map(ask).collect();
        while confirm.jobs.capacity() > QUEUE - others.len() {
            tokio::task::yield_now().await;
        }
        gate.add_permits(1);
        first.await.expect("no panic").expect("held");
        // It is another's before the second check.
        inner.acquire_all_shards(NodeId(Uuid::max())).await.expect("takes");
        gate.add_permits(1);
        for other in others {
            let refused = other.await.expect("no panic").expect_err("lost");
            assert_eq!(refused.code, ErrorCode::Unavailable);
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        loss.to_another().now_or_never().expect("it is noted");
        let refused = confirm.held(WorkflowHash(0)).await.expect_err("lost");
        assert_eq!(refused.code, ErrorCode::Unavailable);
        assert_eq!(asked.load(Ordering::SeqCst), 2, "it is known");
    }
}
