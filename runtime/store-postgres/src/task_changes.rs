//! The changes of tasks of a commit as columns: the arrays that `change_tasks` takes, in its
//! order.

use chrono::{DateTime, Utc};
use dacapo_model::payload::Payload;
use dacapo_model::task::FairnessKey;
use dacapo_store::batch::CommitRows;
use dacapo_store::error::Result;
use dacapo_store::record::{RowName, to_json, to_signed};
use dacapo_store::task::{Lease, TaskKey, TaskRow};
use dacapo_store::task_columns::micros;
use dacapo_store::task_fold::{FoldedTask, Requeue, Tell};
use serde_json::Value;
use uuid::Uuid;

use crate::time::to_database;

const TABLE: &str = "task_queues";

#[derive(Default)]
pub(crate) struct ChangedTasks<'a> {
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) hashes: Vec<i32>,
    pub(crate) run_ids: Vec<Uuid>,
    pub(crate) event_ids: Vec<i64>,
    pub(crate) namespaces: Vec<Option<&'a str>>,
    pub(crate) queues: Vec<Option<&'a str>>,
    pub(crate) activity_types: Vec<Option<&'a str>>,
    pub(crate) priorities: Vec<Option<i16>>,
    pub(crate) fairness_keys: Vec<Option<&'a str>>,
    pub(crate) fairness_ranks: Vec<Option<i64>>,
    pub(crate) visible_at: Vec<Option<DateTime<Utc>>>,
    pub(crate) are_ready: Vec<Option<bool>>,
    pub(crate) task_expires_at: Vec<Option<DateTime<Utc>>>,
    pub(crate) attempts: Vec<Option<i64>>,
    pub(crate) start_to_close: Vec<Option<i64>>,
    pub(crate) heartbeats: Vec<Option<i64>>,
    pub(crate) close_by: Vec<Option<DateTime<Utc>>>,
    pub(crate) last_failures: Vec<Option<Value>>,
    pub(crate) details: Vec<Option<&'a [u8]>>,
    pub(crate) lease_epochs: Vec<Option<i64>>,
    pub(crate) workers: Vec<Option<&'a str>>,
    pub(crate) token_digests: Vec<Option<&'a [u8]>>,
    pub(crate) started_at: Vec<Option<DateTime<Utc>>>,
    pub(crate) expires_at: Vec<Option<DateTime<Utc>>>,
    pub(crate) lease_micros: Vec<Option<i64>>,
    pub(crate) cancel_requested: Vec<Option<bool>>,
    pub(crate) paused: Vec<Option<bool>>,
}

impl<'a> ChangedTasks<'a> {
    pub(crate) fn of(batch: &'a CommitRows<'_>) -> Result<Self> {
        let mut columns = Self::default();
        for (&key, folded) in &batch.tasks {
            match folded {
                FoldedTask::Enqueue { row, is_ready } => {
                    columns.begin("enqueue", key)?;
                    columns.set_task(row, Some(*is_ready))?;
                    columns.set_lease(None);
                }
                FoldedTask::Lease(leased) => {
                    columns.begin("lease", key)?;
                    columns.set_task(&leased.task, None)?;
                    columns.set_lease(Some(&leased.lease));
                }
                FoldedTask::Remove => {
                    columns.begin("remove", key)?;
                    columns.set_change(None, None);
                }
                FoldedTask::Change { requeue, tell } => {
                    if requeue.is_some() {
                        columns.begin("requeue", key)?;
                        columns.set_change(requeue.as_ref(), None);
                    }
                    if tell.is_some() {
                        columns.begin("tell", key)?;
                        columns.set_change(None, tell.as_ref());
                    }
                }
            }
        }
        Ok(columns)
    }

    fn begin(&mut self, kind: &'static str, (key, event_id): TaskKey) -> Result<()> {
        self.kinds.push(kind);
        self.hashes.push(key.hash.0);
        self.run_ids.push(key.run_id.0);
        let row = RowName { table: TABLE, key: &key };
        self.event_ids.push(to_signed(&row, "event_id", event_id.0)?);
        Ok(())
    }

    fn set_task(&mut self, task: &'a TaskRow, is_ready: Option<bool>) -> Result<()> {
        let row = RowName { table: TABLE, key: &task.key };
        let attempt = &task.attempt;
        self.namespaces.push(Some(task.namespace.as_str()));
        self.queues.push(Some(task.queue.as_str()));
        self.activity_types.push(Some(task.activity_type.as_str()));
        self.priorities.push(Some(i16::from(task.priority.number())));
        self.fairness_keys.push(task.fairness_key.as_ref().map(FairnessKey::as_str));
        self.fairness_ranks.push(Some(task.fairness_rank));
        self.visible_at.push(Some(to_database(task.visible_at)));
        self.are_ready.push(is_ready);
        self.task_expires_at.push(task.expires_at.map(to_database));
        self.attempts.push(Some(i64::from(attempt.number)));
        self.start_to_close.push(Some(micros(attempt.start_to_close)));
        self.heartbeats.push(attempt.heartbeat.map(micros));
        self.close_by.push(attempt.close_by.map(to_database));
        self.last_failures.push(attempt.last_failure.as_ref().map(to_json));
        self.details.push(attempt.details.as_ref().map(Payload::as_bytes));
        self.lease_epochs.push(Some(to_signed(&row, "lease_epoch", task.lease_epoch)?));
        Ok(())
    }

    fn set_lease(&mut self, lease: Option<&'a Lease>) {
        self.workers.push(lease.map(|lease| lease.worker.as_str()));
        self.token_digests.push(lease.map(|lease| &lease.token_digest[..]));
        self.started_at.push(lease.map(|lease| to_database(lease.started_at)));
        self.expires_at.push(lease.map(|lease| to_database(lease.expires_at)));
        self.lease_micros.push(lease.map(|lease| micros(lease.duration)));
        self.cancel_requested.push(lease.map(|lease| lease.cancel_requested));
        self.paused.push(lease.map(|lease| lease.paused));
    }

    fn set_change(&mut self, requeue: Option<&Requeue<'_>>, tell: Option<&Tell>) {
        self.namespaces.push(None);
        self.queues.push(None);
        self.activity_types.push(None);
        self.priorities.push(None);
        self.fairness_keys.push(None);
        self.fairness_ranks.push(requeue.map(|it| it.fairness_rank));
        let visible_at = requeue.map(|it| it.visible_at).or(tell.map(|it| it.visible_at));
        self.visible_at.push(visible_at.map(to_database));
        self.are_ready.push(None);
        let expires_at = requeue.map(|it| it.expires_at).or(tell.map(|it| it.expires_at));
        self.task_expires_at.push(expires_at.flatten().map(to_database));
        self.attempts.push(requeue.map(|it| i64::from(it.attempt)));
        self.start_to_close.push(None);
        self.heartbeats.push(None);
        self.close_by.push(None);
        self.last_failures.push(requeue.map(|it| to_json(it.last_failure)));
        self.details.push(None);
        self.lease_epochs.push(None);
        self.workers.push(None);
        self.token_digests.push(None);
        self.started_at.push(None);
        let cancel_until = requeue.map(|it| it.cancel_until).or(tell.map(|it| it.cancel_until));
        self.expires_at.push(cancel_until.flatten().map(to_database));
        self.lease_micros.push(None);
        self.cancel_requested.push(None);
        self.paused.push(tell.map(|it| it.paused));
    }
}
