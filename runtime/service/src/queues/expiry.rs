//! Tells runs that the time of a task is over, and wakes polls for tasks whose time has
//! come. The times that this node knows are in memory; rows that it does not know of are
//! found by looking through them now and then.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::decide::{Input, LeaseTimes};
use dacapo_model::time::Timestamp;
use dacapo_store::task::{Lease, TaskKey, TaskPlace, TaskRow};

use super::{note_no_lease, note_waiting};
use crate::delivery::{self, Address};
use crate::log_limit::LogLimit;
use crate::panics::caught;
use crate::runtime::Shared;

/// How often leases are looked through while polls wait or tasks are in hand, and at other
/// times. So long at most is one overlooked that this node knows nothing of.
const LOOK_THROUGH: Duration = Duration::from_secs(1);
const LOOK_THROUGH_IDLE: Duration = Duration::from_secs(30);

/// Each time after so many, what waits is looked through as well.
const LEASES_ONLY: u32 = 4;

/// What an expired row is left alone for, once its run was told.
const POSTPONE: Duration = Duration::from_secs(10);

/// Rows read at a time.
const PAGE: usize = 500;

static LOG: LogLimit = LogLimit::new();
static LOST: LogLimit = LogLimit::new();

/// Runs until the node stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    // Without it no lease would end any more.
    while let Err(panic) = caught(look_after_tasks(&shared)).await {
        tracing::error!(%panic, "what looks after tasks starts again");
        tokio::time::sleep(LOOK_THROUGH).await;
    }
}

async fn look_after_tasks(shared: &Arc<Shared>) {
    let mut look_through = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
    let mut looks = 0_u32;
    let mut is_idle = false;
    loop {
        let next = shared.queues.leases.next_time();
        tokio::select! {
            () = shared.life.stopping.cancelled() => return,
            () = shared.queues.leases.changed() => {}
            () = shared.queues.polled.notified(), if is_idle => {}
            () = until(shared, next) => {}
            () = &mut look_through => {
                let all = looks.is_multiple_of(LEASES_ONLY) || pause(shared) == LOOK_THROUGH_IDLE;
                looks = looks.wrapping_add(1);
                if let Err(error) = look_through_rows(shared, all).await
                    && let Some(withheld) = LOG.allows()
                {
                    tracing::warn!(?error, withheld, "tasks can't be looked through");
                }
                let pause = pause(shared);
                is_idle = pause == LOOK_THROUGH_IDLE;
                look_through.set(tokio::time::sleep(pause));
            }
        }
        // What there is to look after since then does not wait for a look that is far off.
        if is_idle && pause(shared) == LOOK_THROUGH {
            is_idle = false;
            look_through.set(tokio::time::sleep(LOOK_THROUGH));
        }
        look_at_due(shared).await;
    }
}

/// Never, if nothing is to be looked at: a clock may go by who waits for it.
async fn until(shared: &Shared, next: Option<Timestamp>) {
    match next {
        Some(next) => shared.clock.sleep_until(next).await,
        None => std::future::pending().await,
    }
}

fn pause(shared: &Shared) -> Duration {
    match shared.queues.any_pollers() || !shared.queues.leases.is_empty() {
        true => LOOK_THROUGH,
        false => LOOK_THROUGH_IDLE,
    }
}

/// Looks at the tasks whose time has come.
async fn look_at_due(shared: &Arc<Shared>) {
    loop {
        let now = shared.clock.now();
        let due = shared.queues.leases.due(now, PAGE);
        if due.is_empty() {
            return;
        }
        let work = shared.life.workload.begin();
        match shared.store.find_tasks(&due).await {
            Ok(places) => {
                // What is nowhere has ended.
                let found: HashSet<TaskKey> = places.iter().map(TaskPlace::task).collect();
                let gone = due.into_iter().filter(|task| !found.contains(task));
                gone.for_each(|task| note_no_lease(shared, task));
                act_on(shared, places, &HashMap::new(), now);
            }
            Err(error) => {
                // Whoever looks through the rows finds them.
                tracing::debug!(?error, "tasks can't be looked at");
                return;
            }
        }
        drop(work);
    }
}

/// `scanned`: those that were put off when they were found to be over, by when they were.
fn act_on(
    shared: &Arc<Shared>,
    places: Vec<TaskPlace>,
    scanned: &HashMap<TaskKey, Timestamp>,
    now: Timestamp,
) {
    for place in places {
        let expired_at = scanned.get(&place.task()).copied();
        // One that is put off as it was has not been prolonged meanwhile.
        let expired_at = expired_at.map(|at| (at, now.after(POSTPONE)));
        let when = |expires_at: Timestamp| match expired_at {
            Some((at, put_off_until)) if expires_at == put_off_until => at,
            _ => expires_at,
        };
        match place {
            TaskPlace::Hand(leased) => {
                let (row, lease) = (&leased.task, &leased.lease);
                let expires_at = when(lease.expires_at);
                if expires_at > now {
                    shared.queues.leases.look_at((row.key, row.event_id), expires_at);
                } else {
                    tell(shared, row, Some((lease, expires_at)));
                }
            }
            TaskPlace::Queue(row) if row.expires_at.is_some_and(|at| when(at) <= now) => {
                tell(shared, &row, None);
            }
            TaskPlace::Queue(row) => wait_on(shared, &row, now),
        }
    }
}

/// A task that waits is handed out if its time has come.
fn wait_on(shared: &Arc<Shared>, row: &TaskRow, now: Timestamp) {
    let task = (row.key, row.event_id);
    if row.visible_at > now {
        shared.queues.leases.look_at(task, row.visible_at);
    } else {
        if let Some(expires_at) = row.expires_at {
            shared.queues.leases.look_at(task, expires_at);
        }
        note_waiting(shared, &shared.queues.queue(&row.namespace, &row.queue));
    }
}

/// For whoever looks for a worker that dies, or that takes longer than it says.
fn log_lost(row: &TaskRow, lease: &Lease) {
    if let Some(withheld) = LOST.allows() {
        tracing::warn!(
            queue = %row.queue,
            worker = %lease.worker,
            run_id = %row.key,
            activity_type = %row.activity_type,
            attempt = row.attempt.number,
            withheld,
            "a lease is over before its worker has reported: the attempt has failed"
        );
    }
}

/// Tells the run of a task that its time is over. Waits for nobody: the run may be busy for
/// long.
fn tell(shared: &Arc<Shared>, row: &TaskRow, lost: Option<(&Lease, Timestamp)>) {
    let task = (row.key, row.event_id);
    let Some(telling) = shared.queues.telling.enter(task) else {
        return;
    };
    if let Some((lease, _)) = lost {
        log_lost(row, lease);
        let queue = shared.queues.queue(&row.namespace, &row.queue);
        shared.queues.metrics.lease_lost(&queue.labels);
    }
    let leased =
        lost.map(|(lease, expires_at)| LeaseTimes { started_at: lease.started_at, expires_at });
    let input = Input::TaskExpired {
        scheduled_event_id: row.event_id,
        attempt: row.attempt.number,
        leased,
    };
    let (shared, work) = (shared.clone(), shared.life.workload.begin());
    shared.clone().life.spawn(async move {
        if let Err(error) = delivery::tell(&shared, Address::Key(task.0), &input).await {
            // It is found again when the rows are looked through.
            tracing::debug!(run_id = %task.0, ?error, "a run was not told that a task is over");
        }
        drop((telling, work));
    });
}

/// Finds the rows that this node knows nothing of: what was leased before it began, or by
/// others; if `all`, what waits as well.
async fn look_through_rows(shared: &Arc<Shared>, all: bool) -> dacapo_store::error::Result<()> {
    let now = shared.clock.now();
    let ranges = shared.hold.owned.current().ranges();
    let limit = PAGE as u32;
    let (store, queues) = (&shared.store, &shared.queues);
    let mut expired = store.expired_leases(&ranges, now, POSTPONE, limit).await?;
    if all {
        expired.extend(store.expired_tasks(&ranges, now, POSTPONE, limit).await?);
    }
    if !expired.is_empty() {
        let tasks: Vec<TaskKey> = expired.iter().map(|expired| expired.task).collect();
        let scanned = expired.iter().map(|it| (it.task, it.expired_at)).collect();
        let work = shared.life.workload.begin();
        act_on(shared, store.find_tasks(&tasks).await?, &scanned, now);
        drop(work);
    }
    if !all {
        return Ok(());
    }
    if !queues.any_pollers() {
        return Ok(());
    }
    let mut after = None;
    loop {
        let page = store.waiting_queues(now, None, after, limit).await?;
        let full = page.len() >= PAGE;
        after = page.last().map(|last| (last.namespace.clone(), last.queue.clone()));
        for waiting in page {
            let queue = queues.known(&waiting.namespace, &waiting.queue);
            // What waits there may be nothing that its polls take.
            if let Some(queue) = queue.filter(|queue| queue.is_to_be_looked_at()) {
                note_waiting(shared, &queue);
            }
        }
        if !full {
            return Ok(());
        }
    }
}
