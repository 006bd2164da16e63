//! A poll that waits, and the room it has for tasks.

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::ids::{EventId, RunKey, TypeName, WorkerIdentity};
use dacapo_model::task_token::TaskToken;
use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::types::HandedTask;
use crate::workload::Work;

/// One poll of a worker. Its tasks all have the same secret in their tokens: it goes to
/// that worker, and to no other.
pub(crate) struct Poller {
    worker: WorkerIdentity,
    /// The activity types that it can run, sorted; none means all.
    pub(super) activity_types: Arc<[TypeName]>,
    /// How long it may be silent about a task.
    lease: Duration,
    secret: Uuid,
    inbox: Mutex<Inbox>,
    changed: Notify,
}

struct Inbox {
    /// Tasks that may still be promised to it.
    room: usize,
    /// Tasks whose commit is under way.
    promised: usize,
    tasks: Vec<HandedTask>,
    /// It takes nothing more.
    closed: bool,
}

/// Room of a poller for some tasks, until it is dropped. What was not delivered by then
/// is room again.
pub(crate) struct Promise {
    poller: Arc<Poller>,
    tasks: usize,
    /// It is counted as one that no limit has been asked for.
    unlimited: Option<Work>,
}

impl Poller {
    pub(crate) fn new(
        worker: WorkerIdentity,
        mut activity_types: Vec<TypeName>,
        lease: Duration,
        room: usize,
    ) -> Arc<Self> {
        activity_types.sort();
        activity_types.dedup();
        #[expect(clippy::disallowed_methods, reason = "a secret is random, and made at the edge")]
        let secret = Uuid::new_v4();
        Arc::new(Self {
            worker,
            activity_types: activity_types.into(),
            lease,
            secret,
            inbox: Mutex::new(Inbox { room, promised: 0, tasks: Vec::new(), closed: false }),
            changed: Notify::new(),
        })
    }

    pub(crate) fn worker(&self) -> &WorkerIdentity {
        &self.worker
    }

    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }

    pub(super) fn takes(&self, activity_type: &TypeName) -> bool {
        self.activity_types.is_empty() || self.activity_types.binary_search(activity_type).is_ok()
    }

    /// Promises it at most so many tasks; none if it has no room. One that has a task is
    /// about to be answered: what comes later would keep it waiting.
    pub(super) fn promise(self: &Arc<Self>, tasks_max: usize) -> Option<Promise> {
        let mut inbox = self.inbox.lock();
        let tasks = inbox.room.min(tasks_max);
        if tasks == 0 || !inbox.tasks.is_empty() {
            return None;
        }
        inbox.room -= tasks;
        inbox.promised += tasks;
        Some(Promise { poller: self.clone(), tasks, unlimited: None })
    }

    /// The token of a task of this poll.
    pub(crate) fn token(
        &self,
        key: RunKey,
        scheduled_event_id: EventId,
        attempt: u32,
    ) -> TaskToken {
        TaskToken { key, scheduled_event_id, attempt: Some(attempt), secret: self.secret }
    }

    /// A digest of the secret, which rows hold.
    pub(crate) fn token_digest(&self) -> [u8; 16] {
        TaskToken::digest_of(self.secret)
    }

    /// Returns once nothing that was promised to it is missing.
    pub(super) async fn filled_or_empty(&self) {
        self.until(|inbox| inbox.promised == 0).await;
    }

    /// Returns once it has a task, or was dismissed.
    pub(super) async fn touched(&self) {
        self.until(|inbox| inbox.closed || !inbox.tasks.is_empty()).await;
    }

    /// It is to wait no longer.
    pub(super) fn dismiss(&self) {
        self.inbox.lock().closed = true;
        self.changed.notify_waiters();
    }

    async fn until(&self, is_so: impl Fn(&Inbox) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if is_so(&self.inbox.lock()) {
                return;
            }
            changed.await;
        }
    }

    /// Takes nothing more, and gives what it has.
    pub(super) fn close(&self) -> Vec<HandedTask> {
        let mut inbox = self.inbox.lock();
        inbox.closed = true;
        inbox.room = 0;
        std::mem::take(&mut inbox.tasks)
    }
}

impl Promise {
    pub(crate) fn poller(&self) -> &Arc<Poller> {
        &self.poller
    }

    /// Counts it as one that no limit was asked for, until it is dropped.
    pub(super) fn counted(mut self, unlimited: Work) -> Self {
        self.unlimited = Some(unlimited);
        self
    }

    /// How many tasks may still be delivered.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks
    }

    /// Delivers one of them. Gives it back if the poll is over.
    pub(crate) fn deliver(&mut self, task: Box<HandedTask>) -> Result<(), Box<HandedTask>> {
        let mut inbox = self.poller.inbox.lock();
        self.tasks -= 1;
        inbox.promised -= 1;
        if inbox.closed {
            return Err(task);
        }
        inbox.tasks.push(*task);
        drop(inbox);
        self.poller.changed.notify_waiters();
        Ok(())
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if self.tasks == 0 {
            return;
        }
        let mut inbox = self.poller.inbox.lock();
        inbox.promised -= self.tasks;
        if !inbox.closed {
            inbox.room += self.tasks;
        }
        drop(inbox);
        self.poller.changed.notify_waiters();
    }
}
