//! Notices that another node has taken over, also while there is nothing to
//! commit.

use std::sync::Arc;
use std::time::Duration;

use crate::runtime::Shared;

/// How often the epochs are read. A commit notices at once; this is for a node
/// that has none.
const INTERVAL: Duration = Duration::from_secs(10);

/// Runs until the node stops or has lost a shard.
pub(crate) async fn watch(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            () = shared.fenced.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        match shared.store.shard_owners().await {
            Ok(owners) => {
                let lost = shared.ownership.shards().iter().find(|lease| {
                    owners.iter().any(|(shard_id, epoch, _)| {
                        *shard_id == lease.shard_id && *epoch != lease.epoch
                    })
                });
                if let Some(lost) = lost {
                    tracing::error!(shard_id = lost.shard_id, "this node has lost its shards");
                    shared.fenced.cancel();
                }
            }
            // Whoever needs the store next says so, too.
            Err(error) => tracing::warn!(error = ?error, "the epochs could not be read"),
        }
    }
}
