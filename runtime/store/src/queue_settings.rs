//! What somebody has set of task queues (`task_queue_settings`).

use async_trait::async_trait;
use dacapo_model::ids::{NamespaceName, QueueName};
use dacapo_model::queue_limits::{Concurrency, QueueLimits, Rate};
use dacapo_model::time::Timestamp;

use crate::allowance::QueueUse;
use crate::error::Result;
use crate::shard::Ownership;

/// The settings of a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueSettings {
    /// The namespace.
    pub namespace: NamespaceName,
    /// The queue.
    pub queue: QueueName,
    /// What is handed out at a time.
    pub limits: QueueLimits,
    /// Nothing is handed out.
    pub is_drained: bool,
    /// When they were changed.
    pub changed_at: Timestamp,
}

impl QueueSettings {
    /// Of a queue that nobody has set anything of.
    pub fn none(namespace: NamespaceName, queue: QueueName, now: Timestamp) -> Self {
        let limits = QueueLimits::default();
        Self { namespace, queue, limits, is_drained: false, changed_at: now }
    }

    /// Whether anything is set.
    pub fn is_any(&self) -> bool {
        self.is_drained || self.limits.is_any()
    }
}

/// What is to be changed; what is not there stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SettingsChange {
    /// None in it takes the limit away; so do the others.
    pub concurrency: Option<Option<Concurrency>>,
    /// Of each key.
    pub concurrency_per_key: Option<Option<Concurrency>>,
    /// Of the queue.
    pub rate: Option<Option<Rate>>,
    /// Of each key.
    pub rate_per_key: Option<Option<Rate>>,
    /// Whether nothing is handed out.
    pub is_drained: Option<bool>,
}

impl SettingsChange {
    /// The settings after the change.
    #[must_use]
    pub fn of(&self, settings: QueueSettings, now: Timestamp) -> QueueSettings {
        let QueueLimits { concurrency, concurrency_per_key, rate, rate_per_key } = settings.limits;
        let limits = QueueLimits {
            concurrency: self.concurrency.unwrap_or(concurrency),
            concurrency_per_key: self.concurrency_per_key.unwrap_or(concurrency_per_key),
            rate: self.rate.unwrap_or(rate),
            rate_per_key: self.rate_per_key.unwrap_or(rate_per_key),
        };
        let is_drained = self.is_drained.unwrap_or(settings.is_drained);
        QueueSettings { limits, is_drained, changed_at: now, ..settings }
    }
}

/// Changing and reading settings.
#[async_trait]
pub trait QueueSettingsStore: Send + Sync {
    /// Changes the settings of a queue, and gives them as they are then. Changes of one queue
    /// come one after the other, and none is lost; a claim of
    /// [`claim_limited_tasks`](crate::task::TaskStore::claim_limited_tasks) goes by those
    /// before or those after a change. Refused unless all shards are the caller's
    /// ([`Fenced`](crate::error::StoreError::Fenced)): whoever owns them knows the settings.
    async fn change_queue_settings(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        queue: &QueueName,
        change: &SettingsChange,
        now: Timestamp,
    ) -> Result<QueueSettings>;

    /// What was handed out of a queue, as far as these limits are concerned.
    async fn queue_use(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        limits: &QueueLimits,
        now: Timestamp,
    ) -> Result<QueueUse>;

    /// Those of all queues of which anything is set, by namespace and name.
    async fn all_queue_settings(&self) -> Result<Vec<QueueSettings>>;
}
