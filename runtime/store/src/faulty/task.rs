//! Calls about tasks, passed on except where the script says otherwise.

use std::time::Duration;

use async_trait::async_trait;
use dacapo_model::ids::{NamespaceName, QueueName, RunKey, TypeName};
use dacapo_model::task::Priority;
use dacapo_model::time::Timestamp;

use super::{FaultyStore, Operation};
use crate::error::Result;
use crate::shard::HashRange;
use crate::task::{
    ClaimedTask, ExpiredTask, LeaseRenewal, LeasedTask, LimitedClaim, Line, QueueDepth, TaskClaim,
    TaskKey, TaskPlace, TaskStore, WaitingQueue,
};

#[async_trait]
impl TaskStore for FaultyStore {
    async fn claim_tasks(&self, claim: &TaskClaim) -> Result<Vec<ClaimedTask>> {
        self.call(Operation::ClaimTasks, async |_| self.inner.claim_tasks(claim).await).await
    }

    async fn claim_limited_tasks(&self, claim: &TaskClaim) -> Result<LimitedClaim> {
        self.call(Operation::ClaimLimitedTasks, async |_| {
            self.inner.claim_limited_tasks(claim).await
        })
        .await
    }

    async fn renew_leases(
        &self,
        renewals: &[LeaseRenewal],
        now: Timestamp,
    ) -> Result<Vec<Option<LeasedTask>>> {
        self.call(Operation::RenewLeases, async |_| self.inner.renew_leases(renewals, now).await)
            .await
    }

    async fn release_leases(
        &self,
        leases: &[(TaskKey, [u8; 16])],
        now: Timestamp,
    ) -> Result<Vec<(NamespaceName, QueueName)>> {
        self.call(Operation::ReleaseLeases, async |_| self.inner.release_leases(leases, now).await)
            .await
    }

    async fn find_tasks(&self, tasks: &[TaskKey]) -> Result<Vec<TaskPlace>> {
        self.call(Operation::FindTasks, async |_| self.inner.find_tasks(tasks).await).await
    }

    async fn run_tasks(&self, key: RunKey) -> Result<Vec<TaskPlace>> {
        self.call(Operation::RunTasks, async |_| self.inner.run_tasks(key).await).await
    }

    async fn expired_leases(
        &self,
        ranges: &[HashRange],
        now: Timestamp,
        postpone: Duration,
        limit: u32,
    ) -> Result<Vec<ExpiredTask>> {
        self.call(Operation::ExpiredLeases, async |_| {
            self.inner.expired_leases(ranges, now, postpone, limit).await
        })
        .await
    }

    async fn expired_tasks(
        &self,
        ranges: &[HashRange],
        now: Timestamp,
        postpone: Duration,
        limit: u32,
    ) -> Result<Vec<ExpiredTask>> {
        self.call(Operation::ExpiredTasks, async |_| {
            self.inner.expired_tasks(ranges, now, postpone, limit).await
        })
        .await
    }

    async fn waiting_queues(
        &self,
        until: Timestamp,
        namespace: Option<&NamespaceName>,
        after: Option<(NamespaceName, QueueName)>,
        limit: u32,
    ) -> Result<Vec<WaitingQueue>> {
        self.call(Operation::WaitingQueues, async |_| {
            self.inner.waiting_queues(until, namespace, after, limit).await
        })
        .await
    }

    async fn last_rank(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        priority: Priority,
        line: Line<'_>,
    ) -> Result<Option<i64>> {
        self.call(Operation::LastRank, async |_| {
            self.inner.last_rank(namespace, queue, priority, line).await
        })
        .await
    }

    async fn queue_depth(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        now: Timestamp,
    ) -> Result<QueueDepth> {
        self.call(Operation::QueueDepth, async |_| {
            self.inner.queue_depth(namespace, queue, now).await
        })
        .await
    }

    async fn waiting_types(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(TypeName, u64)>> {
        self.call(Operation::WaitingTypes, async |_| {
            self.inner.waiting_types(namespace, queue, now, limit).await
        })
        .await
    }

    async fn leased_tasks(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        after: Option<TaskKey>,
        limit: u32,
    ) -> Result<Vec<LeasedTask>> {
        self.call(Operation::LeasedTasks, async |_| {
            self.inner.leased_tasks(namespace, queue, after, limit).await
        })
        .await
    }
}
