//! Wakes runs when their timer rows are due. The rows are the truth; memory
//! holds those of the near future, so that an idle node reads twice a minute.

mod due;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dacapo_model::ids::{EventId, RunKey};
use dacapo_model::time::Timestamp;
use dacapo_store::timer::DueTimer;
use futures::FutureExt as _;
use futures::future::{Fuse, FusedFuture as _};
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::due::Due;
use crate::backoff::Backoff;
use crate::delivery::wake_for_timer;
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
    due: BTreeSet<DueTimer>,
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
        near.due.insert(DueTimer { fire_at, key, event_id });
        let first = near.due.first().is_some_and(|first| first.fire_at == fire_at);
        drop(near);
        if first {
            self.changed.notify_one();
        }
    }

    fn take_due(&self, now: Timestamp, taken: &mut Due) {
        let mut near = self.near.lock();
        while let Some(timer) = near.due.first().copied() {
            if timer.fire_at > now {
                break;
            }
            near.due.pop_first();
            taken.add(timer);
        }
    }

    /// From now on memory holds the rows of a stretch that begins now. Those beyond
    /// it are forgotten: there are some if the clock was set back, perhaps by years.
    fn begin_stretch(&self, now: Timestamp) {
        let mut near = self.near.lock();
        near.until = now.after(HORIZON);
        near.read_on_at = now.after(RESCAN);
        while near.due.last().is_some_and(|last| last.fire_at >= near.until) {
            near.due.pop_last();
        }
    }

    /// Whether the rows of the next stretch are to be read. Soon after the clock was
    /// set forward they are.
    fn reads_on(&self, now: Timestamp) -> bool {
        now >= self.near.lock().read_on_at
    }

    /// When a row is due next, by the time of day.
    fn next_due(&self) -> Option<Timestamp> {
        self.near.lock().due.first().map(|first| first.fire_at)
    }

    /// When there is something to do next: a row is due, or others are to be read.
    fn next(&self) -> Timestamp {
        let read_on_at = self.near.lock().read_on_at;
        self.next_due().map_or(read_on_at, |due| due.min(read_on_at))
    }
}

/// Runs until the node stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let (mut due, mut busy) = (Due::default(), Backoff::new(BUSY, BUSY_MAX));
    let mut scanning = pin!(Fuse::terminated());
    let mut rescan_is_due = true;
    let mut rescan = pin!(tokio::time::sleep(RESCAN));
    let mut work = None;
    loop {
        work.get_or_insert_with(|| shared.life.workload.begin());
        let now = shared.clock.now();
        if scanning.is_terminated() && (rescan_is_due || shared.timers.reads_on(now)) {
            // First, so that rows committed while the scan runs are not overlooked.
            shared.timers.begin_stretch(now);
            scanning.set(scan(&shared, now).fuse());
            rescan_is_due = false;
        }
        if wake_due(&shared, &mut due) > 0 {
            busy = Backoff::new(BUSY, BUSY_MAX);
        }
        let (scans, waits) = (!scanning.is_terminated(), !due.is_empty());
        let next = match scans {
            true => shared.timers.next_due(),
            false => Some(shared.timers.next()),
        };
        // What is due is in hand until its runs have it.
        if !scans && !waits {
            work = None;
        }
        tokio::select! {
            () = shared.life.stopping.cancelled() => return,
            () = shared.timers.changed.notified() => {}
            read = &mut scanning, if scans => {
                let pause = read.map_or_else(|error| {
                    tracing::warn!(error = ?error, "timer rows could not be read; trying again");
                    RETRY
                }, |()| RESCAN);
                rescan.set(tokio::time::sleep(pause));
            }
            () = &mut rescan, if !scans => rescan_is_due = true,
            () = shared.clock.sleep_until(next.unwrap_or_default()), if next.is_some() => {}
            () = busy.wait(), if waits => {}
        }
    }
}

/// Reads all rows up to the horizon, also those that are overdue. Each page is told of:
/// what is due need not wait for the rest.
async fn scan(shared: &Shared, now: Timestamp) -> dacapo_store::error::Result<()> {
    let until = now.after(HORIZON);
    let ranges = shared.hold.owned.current().ranges();
    let mut after = None;
    loop {
        let rows = shared.store.due_timers(&ranges, until, after, PAGE).await?;
        after = rows.last().copied();
        let full = rows.len() >= PAGE as usize;
        shared.timers.near.lock().due.extend(rows);
        shared.timers.changed.notify_one();
        if !full {
            return Ok(());
        }
    }
}

/// Tells runs what is due of them, as far as their mailboxes have room. How much that
/// was.
fn wake_due(shared: &Arc<Shared>, due: &mut Due) -> usize {
    shared.timers.take_due(shared.clock.now(), due);
    due.hand_out(|key, event_id| wake_for_timer(shared, key, event_id))
}
