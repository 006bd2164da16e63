//! Task queues that nobody polls, while a run waits for what is in them.

use std::collections::BTreeSet;

use crate::client::Client;
use crate::client::wire::{PendingActivity, TaskQueue, TaskQueueDescription};

/// Queues of one run that the server is asked for.
const ASKED_MAX: usize = 5;

/// Those of these queues that no worker has polled lately, as far as the server tells.
pub(super) async fn left_alone<'a>(
    client: &Client,
    queues: impl Iterator<Item = &'a TaskQueue>,
) -> BTreeSet<String> {
    let names: BTreeSet<_> = queues.map(|queue| queue.name.as_str()).collect();
    let mut left_alone = BTreeSet::new();
    for name in names.into_iter().take(ASKED_MAX) {
        // It is a help only.
        let Ok(answer) = client.show_queue(name).await else { continue };
        if answer.read::<TaskQueueDescription>().is_ok_and(|queue| queue.is_left_alone()) {
            left_alone.insert(name.to_owned());
        }
    }
    left_alone
}

/// The queues in which activities wait for a worker.
pub(super) fn awaited_queues(activities: &[PendingActivity]) -> impl Iterator<Item = &TaskQueue> {
    let waiting = activities.iter().filter(|it| !it.paused && it.lease.is_none());
    waiting.filter_map(|it| it.task_queue.as_ref())
}

/// The same for people, to be shown among other fields.
pub(super) fn left_alone_fields(
    queues: &BTreeSet<String>,
) -> impl Iterator<Item = (&'static str, String)> {
    let told = |name| format!("no worker has polled `{name}` in the last five minutes");
    queues.iter().map(move |name| ("task queue", told(name)))
}
