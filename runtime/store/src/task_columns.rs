//! For backends: tasks and leases as columns of `task_queues` and `task_queue_leases`, the
//! same in every database.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use dacapo_model::event::{ActivityOptions, EventAttributes};
use dacapo_model::ids::{EventId, RunId, RunKey, WorkflowHash};
use dacapo_model::payload::Payload;
use dacapo_model::task::{FairnessKey, Priority};
use dacapo_model::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::error::{Result, StoreError};
use crate::record::RowName;
use crate::task::{
    ClaimedTask, ExpiredTask, Lease, LeaseRenewal, LeasedTask, TaskAttempt, TaskKey, TaskPlace,
    TaskRow,
};

const QUEUE: &str = "task_queues";
const LEASES: &str = "task_queue_leases";

/// A duration as databases have it. One that they can't hold is as good as for ever.
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A task as it was read.
#[derive(Debug)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct StoredTask {
    pub workflow_hash: i32,
    pub run_id: Uuid,
    pub event_id: i64,
    pub namespace: String,
    pub queue: String,
    pub activity_type: String,
    pub priority: i64,
    pub fairness_key: Option<String>,
    pub fairness_rank: i64,
    pub visible_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub attempt: i64,
    pub start_to_close_micros: i64,
    pub heartbeat_micros: Option<i64>,
    pub close_by: Option<Timestamp>,
    pub last_failure: Option<Value>,
    pub details: Option<Vec<u8>>,
    pub lease_epoch: i64,
}

/// The columns that a lease has besides those of its task, as they were read.
#[derive(Debug)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct StoredLease {
    pub worker: String,
    pub token_digest: Vec<u8>,
    pub started_at: Timestamp,
    pub expires_at: Timestamp,
    pub lease_micros: i64,
    pub cancel_requested: bool,
    pub paused: bool,
}

/// What a claim reads of a run, as it was read: nothing of what is not there.
#[derive(Debug)]
#[expect(missing_docs, reason = "the columns of other tables")]
pub struct StoredActivity {
    pub workflow_id: Option<String>,
    pub workflow_type: Option<String>,
    pub scheduled_at: Option<Timestamp>,
    pub event_type: Option<String>,
    pub attributes: Option<String>,
    pub payload: Option<Vec<u8>>,
}

impl StoredTask {
    /// What was written.
    pub fn read(self) -> Result<TaskRow> {
        self.read_from(QUEUE)
    }

    /// What was written, with its lease if it has one.
    pub fn read_place(self, lease: Option<StoredLease>) -> Result<TaskPlace> {
        match lease {
            None => Ok(TaskPlace::Queue(self.read()?)),
            Some(lease) => Ok(TaskPlace::Hand(self.read_leased(lease)?)),
        }
    }

    /// A row of `task_queue_leases`.
    pub fn read_leased(self, lease: StoredLease) -> Result<LeasedTask> {
        let task = self.read_from(LEASES)?;
        let place = format!("{}/{}", task.key, task.event_id);
        let row = RowName { table: LEASES, key: &place };
        let length = lease.token_digest.len();
        let digest = <[u8; 16]>::try_from(lease.token_digest)
            .map_err(|_| row.corrupt("token_digest", format!("{length} bytes, not 16")))?;
        let lease = Lease {
            worker: row.parse("worker", &lease.worker)?,
            token_digest: digest,
            started_at: lease.started_at,
            expires_at: lease.expires_at,
            duration: Duration::from_micros(row.unsigned("lease_micros", lease.lease_micros)?),
            cancel_requested: lease.cancel_requested,
            paused: lease.paused,
        };
        Ok(LeasedTask { task, lease })
    }

    fn read_from(self, table: &'static str) -> Result<TaskRow> {
        let key = RunKey { hash: WorkflowHash(self.workflow_hash), run_id: RunId(self.run_id) };
        let place = format!("{key}/{}", self.event_id);
        let row = RowName { table, key: &place };
        let duration =
            |column, micros| row.unsigned::<u64>(column, micros).map(Duration::from_micros);
        let priority: u8 = row.unsigned("priority", self.priority)?;
        let fairness_key = self.fairness_key.map(FairnessKey::new).transpose();
        let heartbeat = self.heartbeat_micros.map(|it| duration("heartbeat_micros", it));
        let last_failure = self.last_failure.map(|it| row.json("last_failure", it));
        Ok(TaskRow {
            key,
            event_id: EventId(row.unsigned("event_id", self.event_id)?),
            namespace: row.parse("namespace", &self.namespace)?,
            queue: row.parse("queue", &self.queue)?,
            activity_type: row.parse("activity_type", &self.activity_type)?,
            priority: Priority::new(priority).map_err(|error| row.corrupt("priority", error))?,
            fairness_key: fairness_key.map_err(|error| row.corrupt("fairness_key", error))?,
            fairness_rank: self.fairness_rank,
            visible_at: self.visible_at,
            expires_at: self.expires_at,
            attempt: TaskAttempt {
                number: row.unsigned("attempt", self.attempt)?,
                start_to_close: duration("start_to_close_micros", self.start_to_close_micros)?,
                heartbeat: heartbeat.transpose()?,
                close_by: self.close_by,
                last_failure: last_failure.transpose()?,
                details: self.details.map(Payload::from),
            },
            lease_epoch: row.unsigned("lease_epoch", self.lease_epoch)?,
        })
    }
}

impl StoredActivity {
    /// The task with what its worker has to know.
    pub fn read(self, leased: LeasedTask) -> Result<ClaimedTask> {
        let place = format!("{}/{}", leased.task.key, leased.task.event_id);
        let event = RowName { table: "history_events", key: &place };
        let run = RowName { table: "workflow_executions", key: &place };
        let missing = |row: &RowName<'_>, column| row.corrupt(column, "there is no such row");
        let (Some(scheduled_at), Some(event_type), Some(attributes)) =
            (self.scheduled_at, self.event_type, self.attributes)
        else {
            return Err(missing(&event, "event_id"));
        };
        let (Some(workflow_id), Some(workflow_type)) = (self.workflow_id, self.workflow_type)
        else {
            return Err(missing(&run, "run_id"));
        };
        let (operation_id, options, input): (_, ActivityOptions, _) =
            match event.event(&event_type, &attributes, self.payload)? {
                EventAttributes::ActivityTaskScheduled { operation_id, options, input, .. } => {
                    (operation_id, options, input)
                }
                other => return Err(not_scheduled(&event, other.type_name())),
            };
        Ok(ClaimedTask {
            leased,
            workflow_id: run.parse("workflow_id", &workflow_id)?,
            workflow_type: run.parse("workflow_type", &workflow_type)?,
            operation_id,
            options,
            scheduled_at,
            input,
        })
    }
}

fn not_scheduled(row: &RowName<'_>, event_type: &str) -> StoreError {
    row.corrupt("event_type", format!("{event_type}, where an activity was scheduled"))
}

/// Renewals as rows of a statement, by key: one for each lease. Of several the last that
/// says something counts.
pub fn distinct_renewals(
    renewals: &[LeaseRenewal],
) -> BTreeMap<(TaskKey, [u8; 16]), Option<&Payload>> {
    let mut distinct = BTreeMap::new();
    for LeaseRenewal { task, token_digest, details } in renewals {
        let said: &mut Option<&Payload> = distinct.entry((*task, *token_digest)).or_default();
        *said = details.as_ref().or(*said);
    }
    distinct
}

/// The leases that such a statement has renewed, in the order of the renewals.
pub fn renewed_in_order(
    renewals: &[LeaseRenewal],
    renewed: Vec<LeasedTask>,
) -> Vec<Option<LeasedTask>> {
    let place = |it: &LeasedTask| ((it.task.key, it.task.event_id), it.lease.token_digest);
    let renewed: HashMap<_, _> = renewed.into_iter().map(|it| (place(&it), it)).collect();
    renewals.iter().map(|it| renewed.get(&(it.task, it.token_digest)).cloned()).collect()
}

/// A row of what is over.
pub fn read_expired(
    table: &'static str,
    (workflow_hash, run_id, event_id): (i32, Uuid, i64),
    expired_at: Timestamp,
) -> Result<ExpiredTask> {
    let key = RunKey { hash: WorkflowHash(workflow_hash), run_id: RunId(run_id) };
    let row = RowName { table, key: &key };
    let event_id = EventId(row.unsigned("event_id", event_id)?);
    let task: TaskKey = (key, event_id);
    Ok(ExpiredTask { task, expired_at })
}
