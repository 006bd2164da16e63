//! Room in memory for the instances of runs.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dacapo_engine::guest::Room;
use dacapo_model::ids::RunId;

use super::Message;
use crate::delivery::{find_run, try_deliver};
use crate::log_limit::LogLimit;
use crate::residency::Place;
use crate::runtime::Shared;

/// Who operates the server is told of a wait that is longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Many may wait at a time.
static LOG: LogLimit = LogLimit::new();

/// The place of one instance, where it holds its memory. It is free again once the
/// instance has gone, too.
pub(crate) struct InstanceRoom {
    shared: Arc<Shared>,
    place: Place,
}

impl InstanceRoom {
    fn new(shared: &Arc<Shared>, place: Place) -> Arc<Self> {
        Arc::new(Self { shared: shared.clone(), place })
    }

    /// What the instance holds now that its run waits.
    pub(super) fn set_bytes(&self, bytes: usize) {
        self.place.set_bytes(bytes);
    }
}

#[async_trait]
impl Room for InstanceRoom {
    async fn hold(&self, bytes: usize) {
        let mut held = pin!(self.place.hold(bytes, |run_id| evict(&self.shared, run_id)));
        if tokio::time::timeout(PATIENCE, held.as_mut()).await.is_ok() {
            return;
        }
        if let Some(withheld) = LOG.allows() {
            let max = self.shared.capacity.instances_bytes_max;
            tracing::warn!(
                bytes,
                max,
                withheld,
                "a busy instance waits for memory: the others hold all of `instances_bytes_max`"
            );
        }
        held.await;
    }
}

/// Room for one more instance, if there is some and nobody waits for it.
pub(super) fn try_make_room(shared: &Arc<Shared>) -> Option<Arc<InstanceRoom>> {
    shared.capacity.residency.try_acquire().map(|place| InstanceRoom::new(shared, place))
}

/// Waits for room for one more instance in memory. If there is none, the run that
/// has been idle longest makes it.
pub(crate) async fn make_room(shared: &Arc<Shared>) -> Arc<InstanceRoom> {
    let place = shared.capacity.residency.acquire(|run_id| evict(shared, run_id)).await;
    InstanceRoom::new(shared, place)
}

/// Asks a run to give its instance up. A run that is too busy to hear it is not
/// idle anyway.
pub(super) fn evict(shared: &Arc<Shared>, run_id: RunId) {
    if let Some(run) = find_run(shared, run_id) {
        try_deliver(shared, &run, Message::Evict);
    }
}
