//! Task queues that hand out nothing now, while a run waits for what is in them.

use std::collections::BTreeMap;

use crate::client::Client;
use crate::client::wire::{HeldUp, PendingActivity, TaskQueue, TaskQueueDescription};
use crate::times::wall_clock;

/// Queues of one run that the server is asked for.
const ASKED_MAX: usize = 5;

/// Those of these queues whose tasks wait for more than the next poll, and why, as far as
/// the server tells.
pub(super) async fn held_up<'a>(
    client: &Client,
    queues: impl Iterator<Item = &'a TaskQueue>,
) -> BTreeMap<String, HeldUp> {
    let names: BTreeMap<_, _> = queues.map(|queue| (queue.name.as_str(), ())).collect();
    let mut held_up = BTreeMap::new();
    for name in names.into_keys().take(ASKED_MAX) {
        // It is a help only.
        let Ok(answer) = client.show_queue(name).await else { continue };
        let Ok(queue) = answer.read::<TaskQueueDescription>() else { continue };
        held_up.extend(queue.held_up(wall_clock()).map(|why| (name.to_owned(), why)));
    }
    held_up
}

/// The queues in which activities wait for a worker.
pub(super) fn awaited_queues(activities: &[PendingActivity]) -> impl Iterator<Item = &TaskQueue> {
    let waiting = activities.iter().filter(|it| !it.paused && it.lease.is_none());
    waiting.filter_map(|it| it.task_queue.as_ref())
}

/// The same for people, to be shown among other fields.
pub(super) fn held_up_fields(
    queues: &BTreeMap<String, HeldUp>,
) -> impl Iterator<Item = (&'static str, String)> {
    queues.iter().map(|(name, why)| ("task queue", why.sentence(name)))
}
