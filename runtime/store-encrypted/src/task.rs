//! Tasks: what workers have said, and what they are given.

use std::time::Duration;

use async_trait::async_trait;
use dacapo_model::ids::{NamespaceName, QueueName, RunKey, TypeName};
use dacapo_model::task::Priority;
use dacapo_model::time::Timestamp;
use dacapo_store::error::Result;
use dacapo_store::shard::HashRange;
use dacapo_store::task::{
    ClaimedTask, ExpiredTask, LeaseRenewal, LeasedTask, LimitedClaim, Line, QueueDepth, TaskClaim,
    TaskKey, TaskPlace, TaskStore, WaitingQueue,
};

use crate::data::{self, Transform as _};
use crate::{EncryptedStore, each};

impl EncryptedStore {
    /// Those that can't be decrypted are leased, but not given, like all that can't be read.
    fn open_claimed(&self, claimed: Vec<ClaimedTask>) -> Vec<ClaimedTask> {
        let opened = claimed.into_iter().filter_map(|mut claimed| {
            let key = claimed.leased.task.key;
            let with = self.open(key);
            let opened = data::task(&with, &mut claimed.leased.task)
                .and_then(|()| with.payload(&mut claimed.input));
            if let Err(error) = opened {
                // As often as its lease is over.
                tracing::warn!(run_id = %key.run_id, %error, "a task can't be given to a worker");
                return None;
            }
            Some(claimed)
        });
        opened.collect()
    }

    fn open_leased(&self, leased: &mut LeasedTask) -> Result<()> {
        data::task(&self.open(leased.task.key), &mut leased.task)
    }

    fn open_places(&self, mut places: Vec<TaskPlace>) -> Result<Vec<TaskPlace>> {
        each(&mut places, |place| data::place(&self.open(place.task().0), place))?;
        Ok(places)
    }
}

#[async_trait]
impl TaskStore for EncryptedStore {
    async fn claim_tasks(&self, claim: &TaskClaim) -> Result<Vec<ClaimedTask>> {
        Ok(self.open_claimed(self.inner.claim_tasks(claim).await?))
    }

    async fn claim_limited_tasks(&self, claim: &TaskClaim) -> Result<LimitedClaim> {
        let claimed = self.inner.claim_limited_tasks(claim).await?;
        Ok(LimitedClaim { tasks: self.open_claimed(claimed.tasks), ..claimed })
    }

    async fn renew_leases(
        &self,
        renewals: &[LeaseRenewal],
        now: Timestamp,
    ) -> Result<Vec<Option<LeasedTask>>> {
        let mut renewals = renewals.to_vec();
        each(&mut renewals, |renewal| match self.seal(renewal.task.0) {
            Some(with) => data::optional_payload(&with, &mut renewal.details),
            None => Ok(()),
        })?;
        let mut renewed = self.inner.renew_leases(&renewals, now).await?;
        renewed.iter_mut().flatten().try_for_each(|leased| self.open_leased(leased))?;
        Ok(renewed)
    }

    async fn release_leases(
        &self,
        leases: &[(TaskKey, [u8; 16])],
        now: Timestamp,
    ) -> Result<Vec<(NamespaceName, QueueName)>> {
        self.inner.release_leases(leases, now).await
    }

    async fn find_tasks(&self, tasks: &[TaskKey]) -> Result<Vec<TaskPlace>> {
        self.open_places(self.inner.find_tasks(tasks).await?)
    }

    async fn run_tasks(&self, key: RunKey) -> Result<Vec<TaskPlace>> {
        self.open_places(self.inner.run_tasks(key).await?)
    }

    async fn expired_leases(
        &self,
        ranges: &[HashRange],
        now: Timestamp,
        postpone: Duration,
        limit: u32,
    ) -> Result<Vec<ExpiredTask>> {
        self.inner.expired_leases(ranges, now, postpone, limit).await
    }

    async fn expired_tasks(
        &self,
        ranges: &[HashRange],
        now: Timestamp,
        postpone: Duration,
        limit: u32,
    ) -> Result<Vec<ExpiredTask>> {
        self.inner.expired_tasks(ranges, now, postpone, limit).await
    }

    async fn waiting_queues(
        &self,
        until: Timestamp,
        namespace: Option<&NamespaceName>,
        after: Option<(NamespaceName, QueueName)>,
        limit: u32,
    ) -> Result<Vec<WaitingQueue>> {
        self.inner.waiting_queues(until, namespace, after, limit).await
    }

    async fn last_rank(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        priority: Priority,
        line: Line<'_>,
    ) -> Result<Option<i64>> {
        self.inner.last_rank(namespace, queue, priority, line).await
    }

    async fn queue_depth(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        now: Timestamp,
    ) -> Result<QueueDepth> {
        self.inner.queue_depth(namespace, queue, now).await
    }

    async fn waiting_types(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(TypeName, u64)>> {
        self.inner.waiting_types(namespace, queue, now, limit).await
    }

    async fn leased_tasks(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        after: Option<TaskKey>,
        limit: u32,
    ) -> Result<Vec<LeasedTask>> {
        let mut leased = self.inner.leased_tasks(namespace, queue, after, limit).await?;
        each(&mut leased, |leased| self.open_leased(leased))?;
        Ok(leased)
    }
}
