//! Looks for tasks in the store, for polls that wait.

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::time::Timestamp;
use dacapo_store::error::Result;
use dacapo_store::task::{ClaimedTask, LimitedClaim, TaskClaim};

use super::matching::Claim;
use super::queue::Queue;
use super::{note_waiting, release};
use crate::delivery::find_run;
use crate::log_limit::LogLimit;
use crate::panics::caught;
use crate::runtime::Shared;
use crate::types::HandedTask;

/// Tasks of one claim.
const CLAIMED_MAX: usize = 200;

/// Bytes of the inputs of one claim, but for the last.
const CLAIMED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Wait before a claim that failed is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Least time between two looks that a rate asks for.
const LOOKS_APART: Duration = Duration::from_millis(5);

static LOG: LogLimit = LogLimit::new();

/// Looks for tasks wherever a poll may have some and nobody is looking yet.
pub(crate) fn look_for_tasks(shared: &Arc<Shared>, queue: &Arc<Queue>) {
    loop {
        let Some(claim) = queue.matching.lock().next_claim(CLAIMED_MAX) else {
            return;
        };
        shared.life.spawn(look(shared.clone(), queue.clone(), claim));
    }
}

async fn look(shared: Arc<Shared>, queue: Arc<Queue>, mut claim: Claim) {
    // A claim that never came back would be missing for ever.
    let looked = caught(find(&shared, &queue, &mut claim)).await;
    let found_all = looked.unwrap_or_else(|panic| {
        tracing::error!(queue = %queue.name, %panic, "tasks can't be claimed");
        None
    });
    if found_all.is_none() {
        tokio::select! {
            () = shared.life.stopping.cancelled() => {}
            () = tokio::time::sleep(RETRY) => {}
        }
    }
    queue.matching.lock().claimed(&claim, found_all.unwrap_or(false));
    // What it did not use is room again.
    drop(claim);
    if !shared.life.stopping.is_cancelled() {
        look_for_tasks(&shared, &queue);
    }
}

/// Hands over what there is. Whether that was all of it; none if that is not known.
async fn find(shared: &Arc<Shared>, queue: &Arc<Queue>, claim: &mut Claim) -> Option<bool> {
    match claimed(shared, queue, claim).await {
        Ok(LimitedClaim { tasks, may_be_more, again_at }) => {
            queue.note_claim(Ok(()));
            hand_over(shared, queue, claim, tasks);
            if let Some(again_at) = again_at {
                look_again(shared, queue, again_at);
            }
            Some(!may_be_more)
        }
        Err(error) => {
            shared.hold.health.suspect();
            if let Some(withheld) = LOG.allows() {
                tracing::warn!(queue = %queue.name, ?error, withheld, "tasks can't be claimed");
            }
            queue.note_claim(Err(error));
            None
        }
    }
}

async fn claimed(shared: &Shared, queue: &Queue, claim: &Claim) -> Result<LimitedClaim> {
    let asked = asked(shared, queue, claim);
    match claim.is_limited {
        true => shared.store.claim_limited_tasks(&asked).await,
        false => {
            let tasks = shared.store.claim_tasks(&asked).await?;
            Ok(LimitedClaim::unlimited(tasks, &asked))
        }
    }
}

/// Looks for tasks when a rate allows more. Rates may be fast, looks are not.
fn look_again(shared: &Arc<Shared>, queue: &Arc<Queue>, at: Timestamp) {
    let at = at.max(shared.clock.now().after(LOOKS_APART));
    if !queue.looks_again(at) {
        return;
    }
    let (shared, queue) = (shared.clone(), queue.clone());
    shared.clone().life.spawn(async move {
        tokio::select! {
            () = shared.life.stopping.cancelled() => {}
            () = shared.clock.sleep_until(at) => {
                if queue.has_looked_again(at) {
                    note_waiting(&shared, &queue);
                }
            }
        }
    });
}

fn asked(shared: &Shared, queue: &Queue, claim: &Claim) -> TaskClaim {
    let poller = claim.promise.poller();
    TaskClaim {
        namespace: queue.namespace.clone(),
        queue: queue.name.clone(),
        activity_types: poller.activity_types.to_vec(),
        except_keys: Vec::new(),
        worker: poller.worker().clone(),
        token_digest: poller.token_digest(),
        lease: poller.lease(),
        now: shared.clock.now(),
        limit: u32::try_from(claim.promise.tasks()).unwrap_or(u32::MAX),
        bytes_max: CLAIMED_BYTES_MAX,
    }
}

fn hand_over(shared: &Arc<Shared>, queue: &Queue, claim: &mut Claim, tasks: Vec<ClaimedTask>) {
    let mut late = Vec::new();
    for claimed in tasks {
        let task = handed(shared, claim, &claimed);
        let row = &claimed.leased.task;
        let started_at = claimed.leased.lease.started_at;
        queue.handed_out(row.priority, row.fairness_rank, started_at);
        shared.queues.metrics.started(&queue.labels, row.visible_at, started_at);
        shared.queues.leases.insert(claimed.leased);
        if let Err(task) = claim.promise.deliver(task) {
            late.push(*task);
        }
    }
    release(shared, late);
}

fn handed(shared: &Shared, claim: &Claim, claimed: &ClaimedTask) -> Box<HandedTask> {
    let ClaimedTask { leased, workflow_id, workflow_type, .. } = claimed;
    let (row, lease) = (&leased.task, &leased.lease);
    Box::new(HandedTask {
        token: claim.promise.poller().token(row.key, row.event_id, row.attempt.number),
        workflow_id: workflow_id.clone(),
        run_id: row.key.run_id,
        workflow_type: workflow_type.clone(),
        operation_id: claimed.operation_id,
        activity_type: row.activity_type.clone(),
        input: claimed.input.clone(),
        attempt: row.attempt.number,
        options: claimed.options.clone(),
        scheduled_at: claimed.scheduled_at,
        started_at: lease.started_at,
        lease_until: lease.expires_at,
        lease: lease.duration,
        last_failure: row.attempt.last_failure.clone(),
        heartbeat_details: row.attempt.details.clone(),
        trace: find_run(shared, row.key.run_id).and_then(|run| shared.traces.of_task(&run, row)),
    })
}
