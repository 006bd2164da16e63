//! Group read: runs that wake while the store is being read share the next read,
//! as their transitions share a commit. Thousands of timers may be due in the same
//! second; one by one their runs would cost three statements each.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Execution;
use dacapo_model::ids::{EventId, RunId, RunKey};
use dacapo_model::update::AdmittedUpdate;
use dacapo_store::Store;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::timer::TimerRow;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::panics::caught;
use crate::salvage::{Fault, examine, is_unreadable, salvage};

/// Runs that wait for the loader. Each actor waits for one at most.
const QUEUE: usize = 4_096;

/// Runs read by one set of statements.
const BATCH_MAX: usize = 128;

/// Events of each run that are read together with those of others. The histories
/// of most runs are shorter; a longer one is read on by who needs it.
const EVENTS_EACH: u32 = 100;

/// Bytes of histories that are read together, and one history more.
const BYTES_TOGETHER: usize = 32 * 1024 * 1024;

/// Events read by one statement of a long history.
const PAGE: u32 = 2_500;

/// Pages of a very long history that are read at a time.
const PAGES_AT_ONCE: u64 = 4;

/// Long histories that are read on at a time. Each may have as many bytes as a run
/// may record.
const LONG_AT_ONCE: usize = 8;

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
    long: Arc<Semaphore>,
}

impl Loader {
    /// Starts the task. It ends when the last handle is dropped.
    pub(crate) fn start(store: Arc<dyn Store>) -> Self {
        let (jobs, mut queue) = mpsc::channel(QUEUE);
        let reader = store.clone();
        tokio::spawn(async move {
            // Without it no run would wake any more.
            while let Err(panic) = caught(work(&*reader, &mut queue)).await {
                tracing::error!(%panic, "the loader starts again");
            }
        });
        Self { store, jobs, long: Arc::new(Semaphore::new(LONG_AT_ONCE)) }
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
        if goes_on(&run) {
            let _turn = self.long.acquire().await.map_err(|_| stopped())?;
            complete(&*self.store, &mut run).await?;
        }
        Ok(Some(run))
    }
}

async fn work(store: &dyn Store, queue: &mut mpsc::Receiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let mut jobs = VecDeque::from(std::mem::take(&mut batch));
        while !jobs.is_empty() {
            hand_out(store, &mut jobs).await;
        }
    }
}

/// Reads as many runs as may be read together, and hands them to who waits.
async fn hand_out(store: &dyn Store, jobs: &mut VecDeque<Job>) {
    let keys: Vec<RunKey> = jobs.iter().map(|job| job.key).collect();
    match find(store, &keys).await {
        Ok((mut runs, read)) => {
            for job in jobs.drain(..read) {
                // An actor that is gone has no use for it.
                let _ = job.done.send(Ok(runs.remove(&job.key.run_id)));
            }
        }
        // It would not answer each of them either, one time-out after another.
        Err(StoreError::Unavailable { source }) => {
            let reason = source.to_string();
            for job in jobs.drain(..) {
                let source = reason.clone().into();
                let _ = job.done.send(Err(StoreError::Unavailable { source }));
            }
        }
        // One of them is unreadable; the others must not suffer for it.
        Err(_) => {
            for job in jobs.drain(..) {
                let read = find(store, &[job.key]).await;
                let _ = job.done.send(read.map(|(mut runs, _)| runs.remove(&job.key.run_id)));
            }
        }
    }
}

/// The beginnings of several runs, and how many of the keys were looked for: fewer
/// than all if the histories are large. [`complete`] reads the rest of a long one.
async fn find(store: &dyn Store, keys: &[RunKey]) -> Result<(HashMap<RunId, StoredRun>, usize)> {
    let reading = async {
        let mut found = store.find_runs(keys).await?;
        // So that those that are left are the last of the keys.
        let places: HashMap<RunKey, usize> = keys.iter().copied().zip(0..).collect();
        found.sort_by_key(|execution| places.get(&execution.key).copied());
        let mut left = VecDeque::from(found);
        let runs = beginnings(store, &mut left).await?;
        let unread = left.front().and_then(|execution| places.get(&execution.key));
        let read = unread.copied().unwrap_or(keys.len());
        Ok((runs.into_iter().map(|run| (run.execution.key.run_id, run)).collect(), read))
    };
    caught(reading).await.unwrap_or_else(|panic| {
        Err(StoreError::Corrupt {
            table: "history_events",
            column: "a column",
            row: "a row".to_owned(),
            reason: panic.to_string(),
        })
    })
}

/// Takes runs from the front, as many as may be read together.
async fn beginnings(
    store: &dyn Store,
    executions: &mut VecDeque<Execution>,
) -> Result<Vec<StoredRun>> {
    let keys: Vec<RunKey> = executions.iter().map(|execution| execution.key).collect();
    let (histories, rows) = futures::try_join!(
        store.load_histories(&keys, EVENTS_EACH, BYTES_TOGETHER),
        store.run_timers(&keys)
    )?;
    let mut timers: HashMap<RunId, Vec<TimerRow>> = HashMap::new();
    for row in rows {
        timers.entry(row.key.run_id).or_default().push(row);
    }
    let stored = |(execution, history): (Execution, _)| {
        let timers = timers.remove(&execution.key.run_id).unwrap_or_default();
        StoredRun { execution, history, timers, updates: Vec::new(), fault: None }
    };
    Ok(executions.drain(..histories.len()).zip(histories).map(stored).collect())
}

/// Whether only the beginning of the history was read.
fn goes_on(run: &StoredRun) -> bool {
    run.history.len() >= EVENTS_EACH as usize
}

/// Reads on where only the beginning of a history was read.
async fn complete(store: &dyn Store, run: &mut StoredRun) -> Result<()> {
    if !goes_on(run) {
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

/// Takes runs from the front, as many as may be read together, and reads what is
/// stored of them: of long histories the beginnings, see [`whole`].
pub(crate) async fn load_some(
    store: &dyn Store,
    executions: &mut VecDeque<Execution>,
) -> Result<Vec<StoredRun>> {
    let mut some = executions.len();
    loop {
        let mut part: VecDeque<Execution> = executions.iter().take(some).cloned().collect();
        match load_together(store, &mut part).await {
            Ok(runs) => {
                executions.drain(..some - part.len());
                return Ok(runs);
            }
            // One of them is; the others must not suffer for it.
            Err(error) if is_unreadable(&error) && some > 1 => some /= 2,
            Err(error) if is_unreadable(&error) => {
                let Some(alone) = executions.pop_front() else {
                    return Ok(Vec::new());
                };
                return Ok(salvage(store, alone.key).await?.into_iter().collect());
            }
            Err(error) => return Err(error),
        }
    }
}

async fn load_together(
    store: &dyn Store,
    executions: &mut VecDeque<Execution>,
) -> Result<Vec<StoredRun>> {
    let mut runs = beginnings(store, executions).await?;
    let keys: Vec<RunKey> = runs.iter().map(|run| run.execution.key).collect();
    let mut updates: HashMap<RunId, Vec<AdmittedUpdate>> = HashMap::new();
    for (key, admitted) in store.run_updates(&keys).await? {
        updates.entry(key.run_id).or_default().push(admitted);
    }
    for run in &mut runs {
        run.updates = updates.remove(&run.execution.key.run_id).unwrap_or_default();
    }
    Ok(runs)
}

/// All of a run of which the beginning was read. None if it is gone.
pub(crate) async fn whole(store: &dyn Store, run: StoredRun) -> Result<Option<StoredRun>> {
    let mut run = Some(run);
    if let Some(begun) = run.as_mut().filter(|begun| begun.fault.is_none()) {
        let key = begun.execution.key;
        match complete(store, begun).await {
            Err(error) if is_unreadable(&error) => run = salvage(store, key).await?,
            read => read?,
        }
    }
    run.iter_mut().for_each(examine);
    Ok(run)
}

fn stopped() -> StoreError {
    StoreError::Unavailable { source: "the node is stopping".into() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use dacapo_model::event::EventAttributes;
    use dacapo_model::payload::Payload;
    use dacapo_store::conformance::fixtures::{Owned, append, event, execution};
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

    fn run(number: u128) -> Execution {
        execution(&format!("order-{number}"), number)
    }

    #[tokio::test]
    async fn large_histories_are_read_few_at_a_time_and_nobody_is_forgotten() {
        let owned = Owned::of(Arc::new(MemoryStore::new())).await;
        let runs: Vec<_> = (1..=9).map(run).collect();
        owned.start(&runs.iter().collect::<Vec<_>>()).await;
        let result = Payload::from(vec![b'x'; BYTES_TOGETHER / 3]);
        let large = EventAttributes::WorkflowExecutionCompleted { result };
        let larger = runs.iter().map(|run| append(run.key, [event(2, large.clone())]));
        owned.commit(larger).await.expect("commits");
        let mut left = VecDeque::from(runs.clone());
        let first = load_some(&*owned.store, &mut left).await.expect("reads");
        assert_eq!((first.len(), left.len()), (3, 6));

        let loader = Loader::start(owned.store.clone());
        // One that is not there is no reason to look no further.
        let keys = runs.iter().map(|run| run.key).chain([run(99).key]);
        let read = futures::future::join_all(keys.map(|key| loader.load(key))).await;
        let lengths = read.into_iter().map(|read| read.expect("reads").map(|it| it.history.len()));
        let lengths: Vec<_> = lengths.collect();
        assert_eq!(lengths[..9], [Some(2); 9]);
        assert_eq!(lengths[9], None);
    }

    #[tokio::test]
    async fn a_panic_of_the_store_harms_no_other_run_and_not_the_loader() {
        let owned = Owned::of(Arc::new(MemoryStore::new())).await;
        owned.start(&[&run(1), &run(2)]).await;
        // The first reads them together; then each is read alone.
        let store = FaultyStore::new(owned.store.clone(), |call| match call.operation {
            Operation::LoadHistories if call.number <= 2 => Fault::Panic,
            _ => Fault::None,
        });
        let loader = Loader::start(Arc::new(store));
        let loads = [1, 2].map(|number| loader.load(run(number).key));
        let [first, second] = <[_; 2]>::try_from(futures::future::join_all(loads).await)
            .unwrap_or_else(|_| unreachable!("two were asked for"));
        assert!(first.expect("it is read in another way").is_some());
        assert!(second.expect("reads").is_some());
        assert!(loader.load(run(1).key).await.expect("reads").is_some(), "it goes on");
    }
}
