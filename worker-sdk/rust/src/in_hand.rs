//! All tasks that a worker has.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::cancellation::CancelReason;
use crate::held::Held;
use crate::lock::lock;

/// All tasks that a worker has.
#[derive(Debug, Default)]
pub(crate) struct InHand {
    tasks: Mutex<Tasks>,
    /// There is a new one, or one that has something to say.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Tasks {
    by_number: HashMap<u64, Arc<Held>>,
    next: u64,
}

/// Keeps a task among those in hand until it is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    in_hand: Arc<InHand>,
    number: u64,
    held: Arc<Held>,
}

impl InHand {
    pub(crate) fn add(self: &Arc<Self>, held: Held) -> Entry {
        let held = Arc::new(held);
        let mut tasks = lock(&self.tasks);
        let number = tasks.next;
        tasks.next += 1;
        tasks.by_number.insert(number, Arc::clone(&held));
        drop(tasks);
        self.changed.notify_one();
        Entry { in_hand: Arc::clone(self), number, held }
    }

    /// Returns once somebody has called [`InHand::change`].
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Has whoever sends heartbeats look again.
    pub(crate) fn change(&self) {
        self.changed.notify_one();
    }

    /// When the next heartbeat is to be sent.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        lock(&self.tasks).by_number.values().map(|held| held.due_at()).min()
    }

    /// Those whose heartbeat goes with a request that is sent now.
    pub(crate) fn to_send(&self, now: Instant) -> Vec<Arc<Held>> {
        let tasks = lock(&self.tasks);
        tasks.by_number.values().filter(|held| held.may_join(now)).cloned().collect()
    }

    /// Asks all of them to end.
    pub(crate) fn cancel(&self, reason: CancelReason) {
        for held in lock(&self.tasks).by_number.values() {
            held.cancellation().cancel(reason);
        }
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.tasks).by_number.len()
    }
}

impl Entry {
    /// The task, for those who need it longer than it is in hand.
    pub(crate) fn share(&self) -> Arc<Held> {
        Arc::clone(&self.held)
    }
}

impl Deref for Entry {
    type Target = Held;

    fn deref(&self) -> &Held {
        &self.held
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.in_hand.tasks).by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::now;
    use crate::lease::Terms;

    #[test]
    fn a_task_is_in_hand_until_its_entry_is_dropped() {
        let in_hand = Arc::new(InHand::default());
        let begin = now();
        let second = Duration::from_secs(1);
        let terms =
            |length| Terms { length, time_left: None, heartbeat_timeout: None, throttle: second };
        let long = in_hand.add(Held::new("long".to_owned(), terms(30 * second), begin));
        let short = in_hand.add(Held::new("short".to_owned(), terms(3 * second), begin));
        assert_eq!(in_hand.due_at(), Some(begin + second));
        let sent = in_hand.to_send(begin + second);
        assert_eq!(sent.len(), 1, "the other one has more time");
        assert_eq!(sent[0].token(), "short");
        drop(short);
        assert_eq!(in_hand.due_at(), Some(begin + 10 * second));
        drop(long);
        assert_eq!((in_hand.due_at(), in_hand.len()), (None, 0));
    }
}
