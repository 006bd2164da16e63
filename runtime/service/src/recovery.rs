//! What a node does before it takes work: finds every open run, and goes on with
//! those that have something to do now. The others sleep on.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use dacapo_model::execution::Execution;
use dacapo_model::ids::{EventId, NamespaceName, RunKey, WorkflowHash, WorkflowId};
use dacapo_model::time::Timestamp;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::shard::HashRange;

use crate::delivery::wake_overdue;
use crate::loader::{self, StoredRun};
use crate::portions::Portions;
use crate::relations::Recovery;
use crate::run::{self, ActorSource, Loaded, OpenRun};
use crate::runtime::Shared;
use crate::salvage::is_unreadable;

/// Runs read by one set of statements.
const PAGE: u32 = 200;

/// Bytes of the histories of runs with an overdue timer that are handed to their
/// actors. Beyond it the timers wake them, and their histories are read again: for
/// each the whole history would wait in memory for its turn.
const OVERDUE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Which part of the room for instances those runs may take that the node has woken and
/// that have not come to wait yet.
const PORTION: usize = 8;

/// Reads all open runs of the node, and goes on with them.
pub(crate) async fn recover(shared: &Arc<Shared>) -> Result<()> {
    let portions = Portions::new(shared.capacity.instances_bytes_max / PORTION);
    let mut recovering = Recovering::within(portions);
    for range in shared.hold.owned.current().ranges() {
        read_range(shared, range, &mut recovering).await?;
    }
    let Recovering { found, resumed, unreadable, relations, portions, to_wake, .. } = recovering;
    let waiting = to_wake.len();
    tracing::info!(open_runs = found, resumed, waiting, unreadable, "recovered");
    shared.life.recovered.cancel();
    relations.finish(shared);
    if waiting > 0 {
        shared.life.spawn(wake_others(shared.clone(), portions, to_wake));
    }
    Ok(())
}

/// Reads the open runs of a range, page by page. One of which nothing can be read is left
/// as it is: it must not keep the others from running.
async fn read_range(
    shared: &Arc<Shared>,
    range: HashRange,
    recovering: &mut Recovering,
) -> Result<()> {
    let (mut after, mut limit) = (None, PAGE);
    loop {
        let page = match shared.store.open_executions(range, after, limit).await {
            Ok(page) => page,
            // It is one of those: come nearer.
            Err(error) if is_unreadable(&error) && limit > 1 => {
                limit /= 2;
                continue;
            }
            Err(error) if is_unreadable(&error) => {
                let Some(key) = shared.store.next_open(range, after).await? else {
                    return Ok(());
                };
                recovering.leave(key, &error);
                after = Some(key);
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.key);
        limit = (limit * 2).min(PAGE);
        let mut unread = recovering.unknown(page);
        while !unread.is_empty() {
            for stored in loader::load_some(&*shared.store, &mut unread).await? {
                if let Some(stored) = loader::whole(&*shared.store, stored).await? {
                    recovering.go_on(shared, stored);
                }
            }
        }
    }
}

/// Wakes runs that have something to do, as room for them comes. Whoever tells one of
/// them something meanwhile wakes it earlier.
async fn wake_others(
    shared: Arc<Shared>,
    portions: Arc<Portions>,
    to_wake: Vec<(Arc<OpenRun>, u64)>,
) {
    for (run, history_bytes) in to_wake {
        let portion = tokio::select! {
            () = shared.life.halted.cancelled() => return,
            portion = portions.acquire(history_bytes) => portion,
        };
        if let Some(mailbox) = run.wake() {
            run::spawn_in(&shared, run, mailbox, ActorSource::Stored, portion);
        }
    }
}

struct Recovering {
    found: usize,
    resumed: usize,
    /// Open runs that are left as they are.
    unreadable: usize,
    overdue_bytes: u64,
    portions: Arc<Portions>,
    /// Runs that have something to do and for which there was no room, with the bytes of
    /// their histories.
    to_wake: Vec<(Arc<OpenRun>, u64)>,
    relations: Recovery,
    /// The workflow ids of the last hash that was read. See [`Self::unknown`].
    last: HashSet<(NamespaceName, WorkflowId)>,
    last_hash: Option<WorkflowHash>,
}

impl Recovering {
    fn within(portions: Portions) -> Self {
        Self {
            found: 0,
            resumed: 0,
            unreadable: 0,
            overdue_bytes: 0,
            portions: Arc::new(portions),
            to_wake: Vec::new(),
            relations: Recovery::default(),
            last: HashSet::new(),
            last_hash: None,
        }
    }

    /// Leaves an open run alone of which nothing can be read.
    fn leave(&mut self, key: RunKey, error: &StoreError) {
        tracing::error!(
            run_id = %key, %error,
            "an open run can't be read and is left as it is: it neither goes on nor ends. Fix \
             its row of workflow_executions, then ask for the run, or restart the server"
        );
        self.unreadable += 1;
    }

    /// Those of a page whose workflow ids were not on the page before. A run that
    /// was woken may have gone on as another by now, which its actor knows of; the
    /// pages are in the order of the hash, so the other can only be on the next one.
    fn unknown(&mut self, page: Vec<Execution>) -> VecDeque<Execution> {
        let last_hash = page.last().map(|execution| execution.key.hash);
        let mut unknown = VecDeque::with_capacity(page.len());
        let mut last = HashSet::new();
        for execution in page {
            let workflow = (execution.namespace.clone(), execution.workflow_id.clone());
            let is_known = self.last.contains(&workflow);
            if Some(execution.key.hash) == last_hash {
                last.insert(workflow);
            }
            if !is_known {
                unknown.push_back(execution);
            }
        }
        if self.last_hash == last_hash {
            self.last.extend(last);
        } else {
            (self.last, self.last_hash) = (last, last_hash);
        }
        self.found += unknown.len();
        unknown
    }

    /// Wakes a run that has something to do, or notes that it is to be woken.
    fn wake(&mut self, shared: &Arc<Shared>, run: Arc<OpenRun>, loaded: Loaded) {
        let history_bytes = loaded.state.history_bytes;
        // In their order: a large one is not passed by others for ever. The tasks of a run
        // are read with it alone.
        let room = self.to_wake.is_empty() && !loaded.state.has_tasks();
        let portion = room.then(|| self.portions.try_acquire(history_bytes)).flatten();
        if portion.is_none() {
            self.to_wake.push((run, history_bytes));
            return;
        }
        self.resumed += 1;
        if let Some(mailbox) = run.wake() {
            run::spawn_in(shared, run, mailbox, ActorSource::Loaded(Box::new(loaded)), portion);
        }
    }

    /// Makes the run known, and wakes it if it has something to do.
    fn go_on(&mut self, shared: &Arc<Shared>, stored: StoredRun) {
        let Some(run) = shared.directory.adopt(&stored.execution) else {
            return;
        };
        run.set_admitted(!stored.updates.is_empty());
        let loaded = run::assemble(stored);
        run.note_trace(&shared.traces, &loaded.state);
        // What is known of a damaged run may be long past.
        if loaded.fault.is_none() {
            self.relations.add(&run, &loaded);
        }
        if has_work(&loaded) {
            self.wake(shared, run, loaded);
            return;
        }
        let bytes = self.overdue_bytes + loaded.state.history_bytes;
        if let Some(event_id) = overdue(&loaded, shared.clock.now())
            && bytes <= OVERDUE_BYTES_MAX
            && !loaded.state.has_tasks()
        {
            self.resumed += 1;
            self.overdue_bytes = bytes;
            wake_overdue(shared, &run, event_id, loaded);
        }
    }
}

/// Whether the run has something to do now. All else wakes it by itself.
fn has_work(loaded: &Loaded) -> bool {
    loaded.needs_activation || loaded.shows_fault() || loaded.state.has_duties()
}

/// The timer row that should have woken the run before now, if there is one.
fn overdue(loaded: &Loaded, now: Timestamp) -> Option<EventId> {
    let timers = loaded.state.timers.iter().map(|(event_id, timer)| (*event_id, timer.due_at));
    let retries = loaded.state.activities.iter();
    let retries =
        retries.filter_map(|(event_id, activity)| Some((*event_id, activity.retry_at()?)));
    let own = loaded.state.run_timer().map(|timer| (EventId::FIRST, timer.fire_at()));
    let first = timers.chain(retries).chain(own).min_by_key(|(_, fire_at)| *fire_at);
    first.filter(|(_, fire_at)| *fire_at <= now).map(|(event_id, _)| event_id)
}
