//! Gives tasks back that no worker has heard of.

use std::sync::Arc;
use std::time::Duration;

use dacapo_store::task::TaskKey;

use super::{note_no_lease, note_waiting};
use crate::backoff::Backoff;
use crate::runtime::Shared;
use crate::types::HandedTask;

/// The pauses before the store is asked again. A lease that can't be given back ends by
/// itself.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
const TRIES_MAX: usize = 10;

/// Gives tasks back that were leased for a poll which is over. The attempts do not count.
pub(crate) fn release(shared: &Arc<Shared>, tasks: Vec<HandedTask>) {
    let leases = tasks.into_iter().map(|task| {
        let key = (task.token.key, task.token.scheduled_event_id);
        (key, task.token.digest_bytes())
    });
    release_leases(shared, leases.collect());
}

/// The same for leases, by the digests of their tokens.
pub(crate) fn release_leases(shared: &Arc<Shared>, leases: Vec<(TaskKey, [u8; 16])>) {
    if leases.is_empty() {
        return;
    }
    let shared = shared.clone();
    shared.clone().life.spawn(async move {
        let mut backoff = BACKOFF;
        for _ in 0..TRIES_MAX {
            match shared.store.release_leases(&leases, shared.clock.now()).await {
                Ok(queues) => {
                    leases.iter().for_each(|(task, _)| note_no_lease(&shared, *task));
                    for (namespace, queue) in queues {
                        let queue = shared.queues.queue(&namespace, &queue);
                        note_waiting(&shared, &queue);
                    }
                    return;
                }
                Err(error) => tracing::debug!(?error, "leases could not be given back"),
            }
            tokio::select! {
                () = shared.life.halted.cancelled() => return,
                () = backoff.wait() => {}
            }
        }
    });
}
