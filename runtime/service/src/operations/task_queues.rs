//! What waits in task queues, who polls them, who has what, and what is set of them.

use dacapo_model::ids::QueueName;
use dacapo_model::queue_limits::QueueLimits;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::NEVER;
use dacapo_store::queue_settings::{QueueSettings, SettingsChange};
use dacapo_store::task::{LeasedTask, QueueDepth};

use crate::error::Result;
use crate::queues::{self, SeenWorker};
use crate::tenancy::Tenant;

/// Tasks in hand that a description names.
const LEASED_SHOWN_MAX: u32 = 100;

/// Queues on one page. Each is looked at.
const LISTED_MAX: u32 = 100;

/// A task queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueDescription {
    /// Its name.
    pub queue: QueueName,
    /// What waits in it, and how much workers have of it.
    pub depth: QueueDepth,
    /// What is handed out of it at a time.
    pub limits: QueueLimits,
    /// Whether nothing is handed out.
    pub is_drained: bool,
    /// Workers that have polled it lately.
    pub workers: Vec<SeenWorker>,
    /// Since when this node knows who polls.
    pub watched_since: Timestamp,
    /// Tasks that workers have, the first of them.
    pub leased: Vec<LeasedTask>,
}

impl Tenant {
    /// The queues of a namespace in which tasks wait, or which workers poll, by name: at
    /// most as many as a page has, after `after`.
    pub async fn list_task_queues(
        &self,
        after: Option<QueueName>,
    ) -> Result<Vec<QueueDescription>> {
        self.shared.admit()?;
        let now = self.shared.clock.now();
        let store = &self.shared.store;
        let cursor = after.clone().map(|after| (self.namespace.clone(), after));
        let waiting =
            store.waiting_queues(NEVER, Some(&self.namespace), cursor, LISTED_MAX).await?;
        let mut names = self.shared.queues.polled(&self.namespace, now);
        names.retain(|name| after.as_ref().is_none_or(|after| name > after));
        names.extend(waiting.into_iter().map(|waiting| waiting.queue));
        let mut queues = Vec::new();
        for queue in names.into_iter().take(LISTED_MAX as usize) {
            queues.push(self.queue(queue, 0).await?);
        }
        Ok(queues)
    }

    /// A task queue. Every name is one, if an empty one.
    pub async fn describe_task_queue(&self, queue: QueueName) -> Result<QueueDescription> {
        self.shared.admit()?;
        self.queue(queue, LEASED_SHOWN_MAX).await
    }

    /// Changes what is set of a queue: its limits, and whether it hands out anything. What is
    /// not named stays as it is. It holds for all that is handed out from the answer on; what
    /// workers have stays with them.
    pub async fn change_task_queue(
        &self,
        queue: &QueueName,
        change: &SettingsChange,
    ) -> Result<QueueSettings> {
        self.shared.admit_write()?;
        queues::change_settings(&self.shared, &self.namespace, queue, change).await
    }

    async fn queue(&self, queue: QueueName, leased_max: u32) -> Result<QueueDescription> {
        let now = self.shared.clock.now();
        let store = &self.shared.store;
        let depth = store.queue_depth(&self.namespace, &queue, now).await?;
        let leased = match depth.leased.min(u64::from(leased_max)) {
            0 => Vec::new(),
            _ => store.leased_tasks(&self.namespace, &queue, None, leased_max).await?,
        };
        let known = self.shared.queues.known(&self.namespace, &queue);
        let workers = known.map(|queue| queue.workers(now)).unwrap_or_default();
        let settings = self.shared.queues.settings(&self.namespace, &queue);
        let limits = settings.as_ref().map(|it| it.limits).unwrap_or_default();
        let is_drained = settings.is_some_and(|it| it.is_drained);
        let watched_since = self.shared.queues.watched_since();
        Ok(QueueDescription { queue, depth, limits, is_drained, workers, watched_since, leased })
    }
}
