//! Tasks that wait and tasks that workers have.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use dacapo_model::event::EventAttributes;
use dacapo_model::ids::{EventId, NamespaceName, QueueName, RunKey, TypeName};
use dacapo_model::task::Priority;
use dacapo_model::time::Timestamp;

use super::queue_settings::Limited;
use super::{MemoryStore, State, at_most};
use crate::allowance::QueueUse;
use crate::batch::CommitRows;
use crate::error::Result;
use crate::limited_claim::claim_limited;
use crate::shard::HashRange;
use crate::task::{
    ClaimedTask, ExpiredTask, Lease, LeaseRenewal, LeasedTask, LimitedClaim, Line, QueueDepth,
    TaskClaim, TaskKey, TaskPlace, TaskRow, TaskStore, WaitingQueue,
};
use crate::task_fold::FoldedTask;

impl State {
    pub(super) fn change_tasks(&mut self, batch: &CommitRows<'_>) {
        for (key, folded) in &batch.tasks {
            let place = match folded {
                FoldedTask::Enqueue { row, .. } => TaskPlace::Queue(row.clone().into_owned()),
                FoldedTask::Lease(leased) => TaskPlace::Hand(leased.clone().into_owned()),
                FoldedTask::Remove => {
                    self.tasks.remove(key);
                    continue;
                }
                FoldedTask::Change { requeue, tell } => match (self.tasks.remove(key), requeue) {
                    (None, _) => continue,
                    (Some(TaskPlace::Hand(leased)), Some(requeue)) => {
                        TaskPlace::Queue(requeue.put_back(&leased.task))
                    }
                    (Some(TaskPlace::Hand(mut leased)), None) => {
                        if let Some(tell) = tell {
                            tell.to_lease(&mut leased);
                        }
                        TaskPlace::Hand(leased)
                    }
                    (Some(TaskPlace::Queue(row)), Some(requeue)) => {
                        TaskPlace::Queue(requeue.put_back(&row))
                    }
                    (Some(TaskPlace::Queue(mut row)), None) => {
                        if let Some(tell) = tell {
                            tell.to_waiting(&mut row);
                        }
                        TaskPlace::Queue(row)
                    }
                },
            };
            self.tasks.insert(*key, place);
        }
    }

    fn waiting(&self) -> impl Iterator<Item = &TaskRow> {
        self.tasks.values().filter_map(|place| match place {
            TaskPlace::Queue(row) => Some(row),
            TaskPlace::Hand(_) => None,
        })
    }

    fn in_hand(&self) -> impl Iterator<Item = &LeasedTask> {
        self.tasks.values().filter_map(|place| match place {
            TaskPlace::Queue(_) => None,
            TaskPlace::Hand(leased) => Some(leased),
        })
    }

    /// What a claim could have, in the order in which tasks are handed out.
    pub(super) fn wanted(&self, claim: &TaskClaim) -> Vec<TaskRow> {
        let is_wanted = |row: &&TaskRow| {
            row.namespace == claim.namespace
                && row.queue == claim.queue
                && row.visible_at <= claim.now
                && (claim.activity_types.is_empty()
                    || claim.activity_types.contains(&row.activity_type))
                && row.fairness_key.as_ref().is_none_or(|key| !claim.except_keys.contains(key))
        };
        let mut wanted: Vec<_> = self.waiting().filter(is_wanted).cloned().collect();
        wanted.sort_by_key(|row| (row.priority, row.fairness_rank, row.key, row.event_id));
        wanted
    }

    /// What was handed out of a queue.
    pub(super) fn queue_use(&self, namespace: &NamespaceName, queue: &QueueName) -> QueueUse {
        let mut used = QueueUse::default();
        let is_here = |row: &TaskRow| row.namespace == *namespace && row.queue == *queue;
        for leased in self.in_hand().filter(|it| is_here(&it.task)) {
            used.in_hand += 1;
            if let Some(key) = &leased.task.fairness_key {
                *used.in_hand_of.entry(key.clone()).or_insert(0) += 1;
            }
        }
        let place = (namespace.clone(), queue.clone());
        for ((_, key), full_at) in self.queue_rates.iter().filter(|((of, _), _)| *of == place) {
            match key {
                Some(key) => drop(used.full_at_of.insert(key.clone(), *full_at)),
                None => used.full_at = Some(*full_at),
            }
        }
        used
    }

    /// None if its history or its run can't be read.
    pub(super) fn claim(&mut self, key: TaskKey, claim: &TaskClaim) -> Option<ClaimedTask> {
        let Some(TaskPlace::Queue(task)) = self.tasks.get(&key) else {
            return None;
        };
        let mut task = task.clone();
        task.lease_epoch += 1;
        let lease = Lease {
            worker: claim.worker.clone(),
            token_digest: claim.token_digest,
            started_at: claim.now,
            expires_at: task.attempt.lease_until(claim.now, claim.now, claim.lease),
            duration: claim.lease,
            cancel_requested: false,
            paused: false,
        };
        let leased = LeasedTask { task, lease };
        self.tasks.insert(key, TaskPlace::Hand(leased.clone()));
        let run = self.executions.get(&key.0)?;
        let event = self.events.get(&key).filter(|_| !self.spoilt.contains(&key))?;
        let EventAttributes::ActivityTaskScheduled { operation_id, options, input, .. } =
            &event.attributes
        else {
            return None;
        };
        Some(ClaimedTask {
            leased,
            workflow_id: run.workflow_id.clone(),
            workflow_type: run.workflow_type.clone(),
            operation_id: *operation_id,
            options: options.clone(),
            scheduled_at: event.time,
            input: input.clone(),
        })
    }

    /// Those that are over, the oldest first, and put off.
    fn put_off(
        &mut self,
        ranges: &[HashRange],
        now: Timestamp,
        postpone: Duration,
        limit: u32,
        expiry: impl Fn(&mut TaskPlace) -> Option<&mut Timestamp>,
    ) -> Vec<ExpiredTask> {
        let mut over: Vec<_> = self
            .tasks
            .iter_mut()
            .filter(|((key, _), _)| ranges.iter().any(|range| range.contains(key.hash)))
            .filter_map(|(task, place)| expiry(place).map(|at| (*at, *task, at)))
            .filter(|(expired_at, ..)| *expired_at <= now)
            .collect();
        over.sort_by_key(|(expired_at, task, _)| (*expired_at, *task));
        over.truncate(at_most(limit));
        over.into_iter()
            .map(|(expired_at, task, at)| {
                *at = now.after(postpone);
                ExpiredTask { task, expired_at }
            })
            .collect()
    }
}

#[async_trait]
impl TaskStore for MemoryStore {
    async fn claim_tasks(&self, claim: &TaskClaim) -> Result<Vec<ClaimedTask>> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        let mut wanted = state.wanted(claim);
        wanted.truncate(at_most(claim.limit));
        let (mut claimed, mut bytes) = (Vec::new(), 0);
        for row in wanted {
            if bytes >= claim.bytes_max {
                break;
            }
            if let Some(task) = state.claim((row.key, row.event_id), claim) {
                bytes += task.input.len() as u64;
                claimed.push(task);
            }
        }
        Ok(claimed)
    }

    async fn claim_limited_tasks(&self, claim: &TaskClaim) -> Result<LimitedClaim> {
        self.counters.add_statements(1);
        let _turn = self.limited.lock().await;
        match claim_limited(&mut Limited { store: self }, claim).await? {
            Some(claimed) => Ok(claimed),
            None => {
                let tasks = self.claim_tasks(claim).await?;
                Ok(LimitedClaim::unlimited(tasks, claim))
            }
        }
    }

    async fn renew_leases(
        &self,
        renewals: &[LeaseRenewal],
        now: Timestamp,
    ) -> Result<Vec<Option<LeasedTask>>> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        let mut renew = |renewal: &LeaseRenewal| {
            let Some(TaskPlace::Hand(leased)) = state.tasks.get_mut(&renewal.task) else {
                return;
            };
            let LeasedTask { task, lease } = leased;
            if lease.token_digest == renewal.token_digest {
                lease.expires_at = task.attempt.lease_until(lease.started_at, now, lease.duration);
                if let Some(details) = &renewal.details {
                    task.attempt.details = Some(details.clone());
                }
            }
        };
        renewals.iter().for_each(&mut renew);
        // As they are in the end: a lease may be renewed twice.
        let renewed = renewals.iter().map(|renewal| match state.tasks.get(&renewal.task) {
            Some(TaskPlace::Hand(leased)) if leased.lease.token_digest == renewal.token_digest => {
                Some(leased.clone())
            }
            _ => None,
        });
        Ok(renewed.collect())
    }

    async fn release_leases(
        &self,
        leases: &[(TaskKey, [u8; 16])],
        now: Timestamp,
    ) -> Result<Vec<(NamespaceName, QueueName)>> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        let mut queues = BTreeSet::new();
        for (task, digest) in leases {
            let Some(TaskPlace::Hand(leased)) = state.tasks.get(task) else {
                continue;
            };
            if leased.lease.token_digest == *digest {
                let row = leased.put_back(now);
                queues.insert((row.namespace.clone(), row.queue.clone()));
                state.tasks.insert(*task, TaskPlace::Queue(row));
            }
        }
        Ok(queues.into_iter().collect())
    }

    async fn find_tasks(&self, tasks: &[TaskKey]) -> Result<Vec<TaskPlace>> {
        Ok(self.read(|state| {
            let mut tasks = tasks.to_vec();
            tasks.sort_unstable();
            tasks.dedup();
            tasks.iter().filter_map(|task| state.tasks.get(task).cloned()).collect()
        }))
    }

    async fn run_tasks(&self, key: RunKey) -> Result<Vec<TaskPlace>> {
        Ok(self.read(|state| {
            let tasks = state.tasks.range((key, EventId(0))..=(key, EventId(u64::MAX)));
            tasks.map(|(_, place)| place.clone()).collect()
        }))
    }

    async fn expired_leases(
        &self,
        ranges: &[HashRange],
        now: Timestamp,
        postpone: Duration,
        limit: u32,
    ) -> Result<Vec<ExpiredTask>> {
        self.counters.add_statements(1);
        Ok(self.state.lock().put_off(ranges, now, postpone, limit, |place| match place {
            TaskPlace::Hand(leased) => Some(&mut leased.lease.expires_at),
            TaskPlace::Queue(_) => None,
        }))
    }

    async fn expired_tasks(
        &self,
        ranges: &[HashRange],
        now: Timestamp,
        postpone: Duration,
        limit: u32,
    ) -> Result<Vec<ExpiredTask>> {
        self.counters.add_statements(1);
        Ok(self.state.lock().put_off(ranges, now, postpone, limit, |place| match place {
            TaskPlace::Queue(row) => row.expires_at.as_mut(),
            TaskPlace::Hand(_) => None,
        }))
    }

    async fn waiting_queues(
        &self,
        until: Timestamp,
        namespace: Option<&NamespaceName>,
        after: Option<(NamespaceName, QueueName)>,
        limit: u32,
    ) -> Result<Vec<WaitingQueue>> {
        Ok(self.read(|state| {
            let mut queues: BTreeMap<_, Timestamp> = BTreeMap::new();
            let is_wanted = |row: &&TaskRow| {
                row.visible_at < until && namespace.is_none_or(|it| row.namespace == *it)
            };
            for row in state.waiting().filter(is_wanted) {
                let first = queues
                    .entry((row.namespace.clone(), row.queue.clone()))
                    .or_insert(row.visible_at);
                *first = row.visible_at.min(*first);
            }
            queues
                .into_iter()
                .filter(|(queue, _)| after.as_ref().is_none_or(|after| queue > after))
                .take(at_most(limit))
                .map(|((namespace, queue), visible_at)| WaitingQueue {
                    namespace,
                    queue,
                    visible_at,
                })
                .collect()
        }))
    }

    async fn last_rank(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        priority: Priority,
        line: Line<'_>,
    ) -> Result<Option<i64>> {
        Ok(self.read(|state| {
            let is_there = |row: &&TaskRow| {
                row.namespace == *namespace
                    && row.queue == *queue
                    && row.priority == priority
                    && match line {
                        Line::Any => true,
                        Line::Of(key) => row.fairness_key.as_ref() == key,
                    }
            };
            state.waiting().filter(is_there).map(|row| row.fairness_rank).max()
        }))
    }

    async fn queue_depth(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        now: Timestamp,
    ) -> Result<QueueDepth> {
        Ok(self.read(|state| {
            let is_here = |row: &TaskRow| row.namespace == *namespace && row.queue == *queue;
            let leased = state.in_hand().filter(|it| is_here(&it.task)).count() as u64;
            let mut ready: BTreeMap<Priority, (u64, Timestamp)> = BTreeMap::new();
            let mut delayed = 0;
            for row in state.waiting().filter(|row| is_here(row)) {
                if row.visible_at > now {
                    delayed += 1;
                    continue;
                }
                let (count, oldest) = ready.entry(row.priority).or_insert((0, row.visible_at));
                *count += 1;
                *oldest = row.visible_at.min(*oldest);
            }
            let ready = ready.into_iter();
            let ready = ready.map(|(priority, (count, oldest))| (priority, count, oldest));
            QueueDepth { ready: ready.collect(), delayed, leased }
        }))
    }

    async fn waiting_types(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(TypeName, u64)>> {
        Ok(self.read(|state| {
            let is_here = |row: &&TaskRow| {
                row.namespace == *namespace && row.queue == *queue && row.visible_at <= now
            };
            let mut types = BTreeMap::new();
            for row in state.waiting().filter(is_here) {
                *types.entry(row.activity_type.clone()).or_insert(0) += 1;
            }
            types.into_iter().take(at_most(limit)).collect()
        }))
    }

    async fn leased_tasks(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        after: Option<TaskKey>,
        limit: u32,
    ) -> Result<Vec<LeasedTask>> {
        Ok(self.read(|state| {
            let is_next = |it: &&LeasedTask| {
                it.task.namespace == *namespace
                    && it.task.queue == *queue
                    && after.is_none_or(|after| (it.task.key, it.task.event_id) > after)
            };
            state.in_hand().filter(is_next).take(at_most(limit)).cloned().collect()
        }))
    }
}
