//! Wakes runs when their timer rows are due. The rows are the truth; memory
//! holds those of the near future, so that an idle node reads twice a minute.

mod due;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dacapo_model::ids::{EventId, RunKey};
use dacapo_model::time::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::due::Due;
use crate::backoff::Backoff;
use crate::runtime::Shared;

/// How far ahead rows are kept in memory.
const HORIZON: Duration = Duration::from_secs(60);

/// How often the rows of the next stretch are read. Also the longest time that
/// a row can be overlooked whose run missed its wake-up: by the machine, whatever
/// the time of day is set to.
const RESCAN: Duration = Duration::from_secs(30);

/// Wait before rows are read again that could not be read.
const RETRY: Duration = Duration::from_secs(1);

/// Rows read by one statement.
const PAGE: u32 = 1_000;

// A row that is removed stays in memory until its time: its run is told, and has
// no use for it. Looking for it would cost more than that.

/// First and longest wait before runs are tried again whose mailboxes are full. By the
/// machine: a run is busy for as long as it is, whatever the time of day.
const BUSY: Duration = Duration::from_millis(2);
const BUSY_MAX: Duration = Duration::from_millis(100);

/// The rows of the near future.
#[derive(Default)]
pub(crate) struct Timers {
    near: Mutex<Near>,
    changed: Notify,
}

#[derive(Default)]
struct Near {
    due: BTreeSet<(Timestamp, RunKey, EventId)>,
    /// Rows before this time are all in `due`, and no others.
    until: Timestamp,
    /// When those of the next stretch are to be read.
    read_on_at: Timestamp,
}

impl Timers {
    /// A row was committed.
    pub(crate) fn add(&self, key: RunKey, event_id: EventId, fire_at: Timestamp) {
        let mut near = self.near.lock();
        if fire_at >= near.until {
            return;
        }
        near.due.insert((fire_at, key, event_id));
        let first = near.due.first().is_some_and(|(time, _, _)| *time == fire_at);
        drop(near);
        if first {
            self.changed.notify_one();
        }
    }

    fn take_due(&self, now: Timestamp, taken: &mut Due) {
        let mut near = self.near.lock();
        while let Some((fire_at, key, event_id)) = near.due.first().copied() {
            if fire_at > now {
                break;
            }
            near.due.pop_first();
            taken.add(key, fire_at, event_id);
        }
    }

    /// From now on memory holds the rows of a stretch that begins now. Those beyond
    /// it are forgotten: there are some if the clock was set back, perhaps by years.
    fn begin_stretch(&self, now: Timestamp) {
        let mut near = self.near.lock();
        near.until = now.after(HORIZON);
        near.read_on_at = now.after(RESCAN);
        while near.due.last().is_some_and(|(fire_at, _, _)| *fire_at >= near.until) {
            near.due.pop_last();
        }
    }

    /// Whether the rows of the next stretch are to be read. Soon after the clock was
    /// set forward they are.
    fn reads_on(&self, now: Timestamp) -> bool {
        now >= self.near.lock().read_on_at
    }

    /// When there is something to do next, by the time of day.
    fn next(&self) -> Timestamp {
        let near = self.near.lock();
        let first = near.due.first().map(|(fire_at, _, _)| *fire_at);
        first.map_or(near.read_on_at, |first| first.min(near.read_on_at))
    }
}

/// Runs until the node stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let (mut due, mut busy) = (Due::default(), Backoff::new(BUSY, BUSY_MAX));
    let mut rescan_is_due = true;
    let mut rescan = pin!(tokio::time::sleep(RESCAN));
    loop {
        let work = shared.workload.begin();
        let now = shared.clock.now();
        if rescan_is_due || shared.timers.reads_on(now) {
            let pause = match scan(&shared, now, &mut due).await {
                Ok(()) => RESCAN,
                Err(error) => {
                    tracing::warn!(error = ?error, "timer rows could not be read; trying again");
                    RETRY
                }
            };
            rescan_is_due = false;
            rescan.set(tokio::time::sleep(pause));
        }
        if wake_due(&shared, &mut due) > 0 {
            busy = Backoff::new(BUSY, BUSY_MAX);
        }
        let next = shared.timers.next();
        // What is due is in hand until its runs have it.
        let work = (!due.is_empty()).then_some(work);
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            () = shared.timers.changed.notified() => {}
            () = &mut rescan => rescan_is_due = true,
            () = shared.clock.sleep_until(next) => {}
            () = busy.wait(), if work.is_some() => {}
        }
    }
}

/// Reads all rows up to the horizon, also those that are overdue. Those that are due
/// need not wait for the rest.
async fn scan(
    shared: &Arc<Shared>,
    now: Timestamp,
    due: &mut Due,
) -> dacapo_store::error::Result<()> {
    // First, so that rows committed while the scan runs are not overlooked.
    shared.timers.begin_stretch(now);
    let until = now.after(HORIZON);
    let mut after = None;
    loop {
        let rows = shared.store.due_timers(until, after, PAGE).await?;
        after = rows.last().copied();
        let full = rows.len() >= PAGE as usize;
        let mut near = shared.timers.near.lock();
        near.due.extend(rows.into_iter().map(|row| (row.fire_at, row.key, row.event_id)));
        drop(near);
        wake_due(shared, due);
        if !full {
            return Ok(());
        }
    }
}

/// Tells runs what is due of them, as far as their mailboxes have room. How much that
/// was.
fn wake_due(shared: &Arc<Shared>, due: &mut Due) -> usize {
    shared.timers.take_due(shared.clock.now(), due);
    due.hand_out(|key, event_id| match shared.registry.by_run(key.run_id) {
        Some(run) if !run.is_faulted() => crate::run::try_wake(shared, &run, event_id),
        // A run that is not open has no use for its rows; its closing removes them.
        _ => true,
    })
}
