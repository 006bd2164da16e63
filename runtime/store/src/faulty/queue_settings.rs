//! Calls about the settings of task queues, passed on except where the script says
//! otherwise.

use async_trait::async_trait;
use dacapo_model::ids::{NamespaceName, QueueName};
use dacapo_model::queue_limits::QueueLimits;
use dacapo_model::time::Timestamp;

use super::{FaultyStore, Operation};
use crate::allowance::QueueUse;
use crate::error::Result;
use crate::queue_settings::{QueueSettings, QueueSettingsStore, SettingsChange};
use crate::shard::Ownership;

#[async_trait]
impl QueueSettingsStore for FaultyStore {
    async fn change_queue_settings(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        queue: &QueueName,
        change: &SettingsChange,
        now: Timestamp,
    ) -> Result<QueueSettings> {
        self.call(Operation::ChangeQueueSettings, async |_| {
            self.inner.change_queue_settings(ownership, namespace, queue, change, now).await
        })
        .await
    }

    async fn queue_use(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        limits: &QueueLimits,
        now: Timestamp,
    ) -> Result<QueueUse> {
        self.call(Operation::QueueUse, async |_| {
            self.inner.queue_use(namespace, queue, limits, now).await
        })
        .await
    }

    async fn all_queue_settings(&self) -> Result<Vec<QueueSettings>> {
        self.call(Operation::AllQueueSettings, async |_| self.inner.all_queue_settings().await)
            .await
    }
}
