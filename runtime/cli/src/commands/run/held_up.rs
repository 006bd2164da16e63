//! Task queues that hand out nothing now, while a run waits for what is in them.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::Client;
use crate::client::wire::{HeldUp, PendingActivity, TaskQueue, TaskQueueDescription};
use crate::times::wall_clock;

/// Queues of one run that the server is asked for.
const ASKED_MAX: usize = 5;

/// Those of these queues whose tasks wait for more than the next poll, and why, as far as
/// the server tells. Each comes with the type of an activity that waits in it.
pub(in crate::commands) async fn held_up<'a>(
    client: &Client,
    awaited: impl Iterator<Item = (&'a TaskQueue, &'a str)>,
) -> BTreeMap<String, HeldUp> {
    let mut queues: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (queue, activity_type) in awaited {
        queues.entry(&queue.name).or_default().insert(activity_type);
    }
    let mut held_up = BTreeMap::new();
    for (name, types) in queues.into_iter().take(ASKED_MAX) {
        // It is a help only.
        let Ok(answer) = client.show_queue(name).await else { continue };
        let Ok(mut queue) = answer.read::<TaskQueueDescription>() else { continue };
        // What others wait for is not its concern.
        queue.unoffered_types.retain(|it| types.contains(it.activity_type.as_str()));
        held_up.extend(queue.held_up(wall_clock()).map(|why| (name.to_owned(), why)));
    }
    held_up
}

/// The queues in which activities wait for a worker, with the types of these.
pub(super) fn awaited_queues(
    activities: &[PendingActivity],
) -> impl Iterator<Item = (&TaskQueue, &str)> {
    let waiting = activities.iter().filter(|it| !it.paused && it.lease.is_none());
    waiting.filter_map(|it| Some((it.task_queue.as_ref()?, it.activity_type.as_str())))
}

/// The same for people, to be shown among other fields.
pub(in crate::commands) fn held_up_fields(
    queues: &BTreeMap<String, HeldUp>,
) -> impl Iterator<Item = (&'static str, String)> {
    queues.iter().map(|(name, why)| ("task queue", why.sentence(name)))
}
