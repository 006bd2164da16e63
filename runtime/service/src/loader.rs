//! Group read: runs that wake while the store is being read share the next read,
//! as their transitions share a commit. Thousands of timers may be due in the same
//! second; one by one their runs would cost three statements each.

use std::collections::HashMap;
use std::sync::Arc;

use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Execution;
use dacapo_model::ids::{EventId, RunId, RunKey};
use dacapo_model::update::AdmittedUpdate;
use dacapo_store::Store;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::timer::TimerRow;
use tokio::sync::{mpsc, oneshot};

use crate::salvage::{Fault, examine, is_unreadable, salvage};

/// Runs that wait for the loader. Each actor waits for one at most.
const QUEUE: usize = 4_096;

/// Runs read by one set of statements.
const BATCH_MAX: usize = 128;

/// Events of each run that are read together with those of others. The histories
/// of most runs are shorter; a longer one is read on by who needs it.
const EVENTS_EACH: u32 = 100;

/// Events read by one statement of a long history.
const PAGE: u32 = 2_500;

/// Pages of a very long history that are read at a time.
const PAGES_AT_ONCE: u64 = 4;

/// A run as the store has it.
pub(crate) struct StoredRun {
    pub(crate) execution: Execution,
    pub(crate) history: Vec<HistoryEvent>,
    pub(crate) timers: Vec<TimerRow>,
    /// Not read together with the rest: few runs have any.
    pub(crate) updates: Vec<AdmittedUpdate>,
    /// Why nothing can go on with it. Then the history is what comes before that.
    pub(crate) fault: Option<Fault>,
}

struct Job {
    key: RunKey,
    done: oneshot::Sender<Result<Option<StoredRun>>>,
}

/// Hands keys to the reading task. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Loader {
    store: Arc<dyn Store>,
    jobs: mpsc::Sender<Job>,
}

impl Loader {
    /// Starts the task. It ends when the last handle is dropped.
    pub(crate) fn start(store: Arc<dyn Store>) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        tokio::spawn(work(store.clone(), queue));
        Self { store, jobs }
    }

    /// Reads a run, if it exists, together with whatever else is to be read.
    pub(crate) async fn load(&self, key: RunKey) -> Result<Option<StoredRun>> {
        let mut run = match self.read(key).await {
            Err(error) if is_unreadable(&error) => salvage(&*self.store, key).await?,
            read => read?,
        };
        run.iter_mut().for_each(examine);
        Ok(run)
    }

    async fn read(&self, key: RunKey) -> Result<Option<StoredRun>> {
        let (done, read) = oneshot::channel();
        self.jobs.send(Job { key, done }).await.map_err(|_| stopped())?;
        let Some(mut run) = read.await.map_err(|_| stopped())?? else {
            return Ok(None);
        };
        complete(&*self.store, &mut run).await?;
        Ok(Some(run))
    }
}

async fn work(store: Arc<dyn Store>, mut queue: mpsc::Receiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let keys: Vec<RunKey> = batch.iter().map(|job| job.key).collect();
        match find(&*store, &keys).await {
            Ok(mut runs) => {
                for job in batch.drain(..) {
                    // An actor that is gone has no use for it.
                    let _ = job.done.send(Ok(runs.remove(&job.key.run_id)));
                }
            }
            // It would not answer each of them either, one time-out after another.
            Err(StoreError::Unavailable { source }) => {
                let reason = source.to_string();
                for job in batch.drain(..) {
                    let source = reason.clone().into();
                    let _ = job.done.send(Err(StoreError::Unavailable { source }));
                }
            }
            // One of them is unreadable; the others must not suffer for it.
            Err(_) => {
                for job in batch.drain(..) {
                    let read = find(&*store, &[job.key]).await;
                    let _ = job.done.send(read.map(|mut runs| runs.remove(&job.key.run_id)));
                }
            }
        }
    }
}

/// The beginnings of several runs: [`complete`] reads the rest.
async fn find(store: &dyn Store, keys: &[RunKey]) -> Result<HashMap<RunId, StoredRun>> {
    let executions = store.find_runs(keys).await?;
    let runs = beginnings(store, executions).await?;
    Ok(runs.into_iter().map(|run| (run.execution.key.run_id, run)).collect())
}

async fn beginnings(store: &dyn Store, executions: Vec<Execution>) -> Result<Vec<StoredRun>> {
    let keys: Vec<RunKey> = executions.iter().map(|execution| execution.key).collect();
    let (histories, rows) =
        futures::try_join!(store.load_histories(&keys, EVENTS_EACH), store.run_timers(&keys))?;
    let mut timers: HashMap<RunId, Vec<TimerRow>> = HashMap::new();
    for row in rows {
        timers.entry(row.key.run_id).or_default().push(row);
    }
    let stored = |(execution, history): (Execution, _)| {
        let timers = timers.remove(&execution.key.run_id).unwrap_or_default();
        StoredRun { execution, history, timers, updates: Vec::new(), fault: None }
    };
    Ok(executions.into_iter().zip(histories).map(stored).collect())
}

/// Reads on where only the beginning of a history was read.
async fn complete(store: &dyn Store, run: &mut StoredRun) -> Result<()> {
    if run.history.len() < EVENTS_EACH as usize {
        return Ok(());
    }
    let key = run.execution.key;
    let mut pages_at_once = 1;
    while let Some(last) = run.history.last() {
        // Ids have no gaps, so the next pages can be asked for before this one
        // is there: the store reads them while others are taken apart.
        let from = last.id.next().0;
        let starts = (0..pages_at_once).map(|page| EventId(from + page * u64::from(PAGE)));
        let pages = starts.map(|start| store.load_history(key, start, PAGE));
        for page in futures::future::try_join_all(pages).await? {
            let is_last = page.len() < PAGE as usize;
            run.history.extend(page);
            if is_last {
                return Ok(());
            }
        }
        pages_at_once = PAGES_AT_ONCE;
    }
    Ok(())
}

/// Runs as they are stored, of which the summaries were just read.
pub(crate) async fn load_all(
    store: &dyn Store,
    executions: Vec<Execution>,
) -> Result<Vec<StoredRun>> {
    let keys: Vec<RunKey> = executions.iter().map(|execution| execution.key).collect();
    let mut runs = match load_together(store, executions).await {
        // One of them is; the others must not suffer for it.
        Err(error) if is_unreadable(&error) => {
            let mut runs = Vec::new();
            for key in keys {
                runs.extend(salvage(store, key).await?);
            }
            runs
        }
        read => read?,
    };
    runs.iter_mut().for_each(examine);
    Ok(runs)
}

async fn load_together(store: &dyn Store, executions: Vec<Execution>) -> Result<Vec<StoredRun>> {
    let mut runs = beginnings(store, executions).await?;
    let keys: Vec<RunKey> = runs.iter().map(|run| run.execution.key).collect();
    let mut updates: HashMap<RunId, Vec<AdmittedUpdate>> = HashMap::new();
    for (key, admitted) in store.run_updates(&keys).await? {
        updates.entry(key.run_id).or_default().push(admitted);
    }
    for run in &mut runs {
        run.updates = updates.remove(&run.execution.key.run_id).unwrap_or_default();
        complete(store, run).await?;
    }
    Ok(runs)
}

fn stopped() -> StoreError {
    StoreError::Unavailable { source: "the node is stopping".into() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use dacapo_store::conformance::fixtures::execution;
    use dacapo_store::faulty::{Fault, FaultyStore, Operation};
    use dacapo_store::memory::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_store_that_does_not_answer_is_asked_once_for_all_who_wait() {
        let asked = Arc::new(AtomicU64::new(0));
        let counted = asked.clone();
        let store = FaultyStore::new(Arc::new(MemoryStore::new()), move |call| {
            counted.fetch_add(u64::from(call.operation == Operation::FindRuns), Ordering::SeqCst);
            Fault::Unavailable
        });
        let loader = Loader::start(Arc::new(store));
        let loads = (1..=3).map(|number| loader.load(execution("order-1", number).key));
        for read in futures::future::join_all(loads).await {
            assert!(matches!(read, Err(StoreError::Unavailable { .. })));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
