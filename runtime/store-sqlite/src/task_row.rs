//! Rows of `task_queues` and `task_queue_leases` as they are read.

use dacapo_model::time::Timestamp;
use dacapo_store::error::Result;
use dacapo_store::record::RowName;
use dacapo_store::task::{ExpiredTask, LeasedTask, TaskPlace};
use dacapo_store::task_columns::{StoredLease, StoredTask, read_expired};
use serde_json::Value;
use uuid::Uuid;

/// Of either table; what only leases have is not there for a task that waits.
pub(crate) struct TaskColumns {
    pub(crate) workflow_hash: i32,
    pub(crate) run_id: Uuid,
    pub(crate) event_id: i64,
    pub(crate) namespace: String,
    pub(crate) queue: String,
    pub(crate) activity_type: String,
    pub(crate) priority: i64,
    pub(crate) fairness_key: Option<String>,
    pub(crate) fairness_rank: i64,
    pub(crate) visible_at: i64,
    pub(crate) task_expires_at: Option<i64>,
    pub(crate) attempt: i64,
    pub(crate) start_to_close_micros: i64,
    pub(crate) heartbeat_micros: Option<i64>,
    pub(crate) close_by: Option<i64>,
    pub(crate) last_failure: Option<Value>,
    pub(crate) details: Option<Vec<u8>>,
    pub(crate) lease_epoch: i64,
    pub(crate) worker: Option<String>,
    pub(crate) token_digest: Option<Vec<u8>>,
    pub(crate) started_at: Option<i64>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) lease_micros: Option<i64>,
    pub(crate) cancel_requested: Option<bool>,
    pub(crate) paused: Option<bool>,
}

impl TaskColumns {
    fn into_parts(self) -> (StoredTask, Option<StoredLease>) {
        let lease = self.worker.and_then(|worker| {
            Some(StoredLease {
                worker,
                token_digest: self.token_digest?,
                started_at: Timestamp::from_micros(self.started_at?),
                expires_at: Timestamp::from_micros(self.expires_at?),
                lease_micros: self.lease_micros?,
                cancel_requested: self.cancel_requested?,
                paused: self.paused?,
            })
        });
        let task = StoredTask {
            workflow_hash: self.workflow_hash,
            run_id: self.run_id,
            event_id: self.event_id,
            namespace: self.namespace,
            queue: self.queue,
            activity_type: self.activity_type,
            priority: self.priority,
            fairness_key: self.fairness_key,
            fairness_rank: self.fairness_rank,
            visible_at: Timestamp::from_micros(self.visible_at),
            expires_at: self.task_expires_at.map(Timestamp::from_micros),
            attempt: self.attempt,
            start_to_close_micros: self.start_to_close_micros,
            heartbeat_micros: self.heartbeat_micros,
            close_by: self.close_by.map(Timestamp::from_micros),
            last_failure: self.last_failure,
            details: self.details,
            lease_epoch: self.lease_epoch,
        };
        (task, lease)
    }

    pub(crate) fn into_place(self) -> Result<TaskPlace> {
        let (task, lease) = self.into_parts();
        task.read_place(lease)
    }

    /// Of a row of `task_queue_leases`.
    pub(crate) fn into_leased(self) -> Result<LeasedTask> {
        let key = self.run_id;
        match self.into_place()? {
            TaskPlace::Hand(leased) => Ok(leased),
            TaskPlace::Queue(_) => {
                Err(RowName { table: "task_queue_leases", key: &key }.corrupt("worker", "missing"))
            }
        }
    }
}

pub(crate) struct ExpiredRow {
    pub(crate) workflow_hash: i32,
    pub(crate) run_id: Uuid,
    pub(crate) event_id: i64,
    pub(crate) expired_at: i64,
}

impl ExpiredRow {
    pub(crate) fn key(&self) -> (i32, String, i64) {
        (self.workflow_hash, self.run_id.simple().to_string(), self.event_id)
    }

    pub(crate) fn into_expired(self, table: &'static str) -> Result<ExpiredTask> {
        let key = (self.workflow_hash, self.run_id, self.event_id);
        read_expired(table, key, Timestamp::from_micros(self.expired_at))
    }
}
