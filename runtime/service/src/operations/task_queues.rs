//! What waits in task queues, who polls them, who has what, and what is set of them.

use std::collections::HashMap;

use dacapo_model::ids::{QueueName, RunKey, TypeName, WorkflowId};
use dacapo_model::queue_limits::QueueLimits;
use dacapo_model::task::FairnessKey;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::NEVER;
use dacapo_store::allowance::Allowance;
use dacapo_store::queue_settings::{QueueSettings, SettingsChange};
use dacapo_store::task::{LeasedTask, QueueDepth};

use crate::error::Result;
use crate::queues::{self, LastMinute, Offered, SeenWorker};
use crate::tenancy::Tenant;

/// Tasks in hand that a description names.
const LEASED_SHOWN_MAX: u32 = 100;

/// Full keys, and types that nobody takes, that a description names.
const NAMED_MAX: usize = 100;

/// Queues on one page. Each is looked at.
const LISTED_MAX: u32 = 100;

/// One page of a list, by name.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueList {
    /// The queues.
    pub queues: Vec<QueueDescription>,
    /// The last of them, if there are more.
    pub next: Option<QueueName>,
}

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
    /// What has passed in the last minute, on this node.
    pub last_minute: LastMinute,
    /// Activity types that polls have asked for lately.
    pub offered: Offered,
    /// Types that wait although no poll has asked for them lately, and how many tasks of each.
    /// None in a list, and if nobody polls.
    pub unoffered: Vec<(TypeName, u64)>,
    /// How many tasks more the limits of the queue allow now. None in a list.
    pub room: Option<u64>,
    /// Keys that may have nothing more now.
    pub full_keys: Vec<KeyUse>,
    /// Tasks that workers have, the first of them.
    pub leased: Vec<HeldTask>,
}

/// What workers have of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The key.
    pub key: FairnessKey,
    /// Tasks in hand.
    pub in_hand: u64,
}

/// A task that a worker has.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldTask {
    /// The task and its lease.
    pub leased: LeasedTask,
    /// The workflow id of its run, unless the run is just gone.
    pub workflow_id: Option<WorkflowId>,
}

impl Tenant {
    /// The queues of a namespace in which tasks wait, which workers poll, or of which anything
    /// is set, by name, after `after`.
    pub async fn list_task_queues(
        &self,
        after: Option<QueueName>,
        limit: u32,
    ) -> Result<QueueList> {
        self.shared.admit()?;
        let limit = limit.clamp(1, LISTED_MAX);
        let now = self.shared.clock.now();
        let store = &self.shared.store;
        let cursor = after.clone().map(|after| (self.namespace.clone(), after));
        let waiting = store.waiting_queues(NEVER, Some(&self.namespace), cursor, limit + 1).await?;
        let mut names = self.shared.queues.in_use(&self.namespace, now);
        names.retain(|name| after.as_ref().is_none_or(|after| name > after));
        names.extend(waiting.into_iter().map(|waiting| waiting.queue));
        let more = names.len() > limit as usize;
        let mut queues = Vec::new();
        for queue in names.into_iter().take(limit as usize) {
            queues.push(self.queue(queue).await?);
        }
        let next = queues.last().filter(|_| more).map(|last| last.queue.clone());
        Ok(QueueList { queues, next })
    }

    /// A task queue. Every name is one, if an empty one.
    pub async fn describe_task_queue(&self, queue: QueueName) -> Result<QueueDescription> {
        self.shared.admit()?;
        let mut described = self.queue(queue).await?;
        self.look_closer(&mut described).await?;
        Ok(described)
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

    async fn queue(&self, queue: QueueName) -> Result<QueueDescription> {
        let now = self.shared.clock.now();
        let queues = &self.shared.queues;
        let depth = self.shared.store.queue_depth(&self.namespace, &queue, now).await?;
        let known = queues.known(&self.namespace, &queue);
        let known = known.as_ref();
        let settings = queues.settings(&self.namespace, &queue);
        Ok(QueueDescription {
            depth,
            limits: settings.as_ref().map(|it| it.limits).unwrap_or_default(),
            is_drained: settings.is_some_and(|it| it.is_drained),
            workers: known.map(|it| it.workers(now)).unwrap_or_default(),
            watched_since: queues.watched_since(),
            last_minute: known.map(|it| it.last_minute(now)).unwrap_or_default(),
            offered: known.map_or(Offered::Types([].into()), |it| it.offered(now)),
            unoffered: Vec::new(),
            room: None,
            full_keys: Vec::new(),
            leased: Vec::new(),
            queue,
        })
    }

    /// What takes more statements to find out.
    async fn look_closer(&self, described: &mut QueueDescription) -> Result<()> {
        let now = self.shared.clock.now();
        let store = &self.shared.store;
        let (namespace, queue) = (&self.namespace, &described.queue);
        if described.depth.leased > 0 {
            let leased = store.leased_tasks(namespace, queue, None, LEASED_SHOWN_MAX).await?;
            described.leased = self.with_workflow_ids(leased).await?;
        }
        if let Offered::Types(offered) = &described.offered
            && !offered.is_empty()
            && !described.depth.ready.is_empty()
        {
            // As many types as are offered may come before one that is not.
            let limit = u32::try_from(offered.len() + NAMED_MAX).unwrap_or(u32::MAX);
            let mut waiting = store.waiting_types(namespace, queue, now, limit).await?;
            waiting.retain(|(name, _)| !offered.contains(name));
            waiting.truncate(NAMED_MAX);
            described.unoffered = waiting;
        }
        if described.limits.is_any() {
            let limits = described.limits;
            let used = store.queue_use(namespace, queue, &limits, now).await?;
            let allowance = Allowance::new(limits, used, now);
            let is_limited = limits.concurrency.is_some() || limits.rate.is_some();
            described.room = is_limited.then(|| allowance.room());
            let in_hand = |key: FairnessKey| {
                let in_hand = allowance.used().in_hand_of.get(&key).copied().unwrap_or(0);
                KeyUse { key, in_hand }
            };
            let full = allowance.full_keys().into_iter().take(NAMED_MAX);
            described.full_keys = full.map(in_hand).collect();
        }
        Ok(())
    }

    async fn with_workflow_ids(&self, leased: Vec<LeasedTask>) -> Result<Vec<HeldTask>> {
        let mut keys: Vec<RunKey> = leased.iter().map(|it| it.task.key).collect();
        keys.dedup();
        let runs = self.shared.store.find_runs(&keys).await?;
        let ids: HashMap<_, _> = runs.into_iter().map(|run| (run.key, run.workflow_id)).collect();
        let held = |leased: LeasedTask| {
            let workflow_id = ids.get(&leased.task.key).cloned();
            HeldTask { leased, workflow_id }
        };
        Ok(leased.into_iter().map(held).collect())
    }
}
