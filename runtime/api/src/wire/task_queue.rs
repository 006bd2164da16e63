//! Task queues.

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{QueueName, RunId, TypeName, WorkerIdentity, WorkflowId};
use dacapo_model::queue_limits as model;
use dacapo_model::task::FairnessKey;
use dacapo_model::time::Timestamp;
use dacapo_service::operations::{
    HeldTask, KeyUse, LeasedTask, Offered, QueueDescription, QueueSettings, SeenWorker,
    SettingsChange,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::object::{named, named_object};
use crate::error::ApiError;

/// Task queues of a namespace.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskQueueList {
    /// By name.
    pub(crate) task_queues: Vec<TaskQueue>,
    /// Where the next page begins; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_page_token: Option<String>,
}

/// A task queue.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskQueue {
    /// Its name.
    #[schema(value_type = String)]
    name: QueueName,
    /// Tasks that a worker could have now, by priority; priorities without any are left out.
    backlog: Vec<Backlog>,
    /// Tasks that wait for their time, or are paused.
    delayed: u64,
    /// Tasks that workers have in hand.
    in_hand: u64,
    /// What is handed out of it at a time, over all workers.
    limits: TaskQueueLimits,
    /// Whether it hands out nothing.
    drained: bool,
    /// Workers that have polled it in the last five minutes, on this server.
    workers: Vec<Worker>,
    /// Since when this server knows who polls: since it was started.
    #[schema(value_type = String, format = DateTime)]
    watched_since: Timestamp,
    /// Tasks that came into it in the last minute, retries too, as far as this server has seen.
    added_last_minute: u64,
    /// Tasks that were handed out in the last minute, as far as this server has seen.
    handed_out_last_minute: u64,
    /// Activity types that polls have asked for in the last five minutes; absent if one has asked for
    /// all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    offered_types: Option<Vec<TypeName>>,
    /// Types that wait although no poll has asked for them in the last five minutes, 100 at most;
    /// none in a list of queues, and none if nobody polls.
    unoffered_types: Vec<UnofferedType>,
    /// How many tasks more the limits of the queue allow now; absent without limits, and in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<u64>,
    /// Fairness keys whose limits allow nothing more now, 100 at most; none in a list of queues.
    full_keys: Vec<FullKey>,
    /// The tasks in hand, 100 at most; none in a list of queues.
    leases: Vec<TaskLease>,
}

/// What is set of a task queue.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskQueueSettings {
    /// The name of the queue.
    #[schema(value_type = String)]
    name: QueueName,
    /// What is handed out of it at a time, over all workers.
    limits: TaskQueueLimits,
    /// Whether it hands out nothing.
    drained: bool,
}

/// Limits of a task queue; what is left out is not limited.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskQueueLimits {
    /// Tasks in hand at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    concurrency: Option<u64>,
    /// The same for each fairness key; tasks without one do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    concurrency_per_key: Option<u64>,
    /// How fast tasks are handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<TaskRate>,
    /// The same for each fairness key; tasks without one do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_per_key: Option<TaskRate>,
}

/// How fast tasks are handed out.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskRate {
    /// Tasks per second: 0.0001 to 100,000.
    #[schema(minimum = 0.0001, maximum = 100_000, example = 5)]
    per_second: f64,
    /// Tasks at once after a pause; if absent, what a second brings, and 1 at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000, example = 10)]
    burst: Option<u64>,
}

/// What is to be changed of a task queue. What is left out stays as it is; `null` takes a limit
/// away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeTaskQueueRequest {
    /// Tasks in hand at a time, over all workers.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000)]
    concurrency: Option<Option<u64>>,
    /// The same for each fairness key; tasks without one do not count.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000)]
    concurrency_per_key: Option<Option<u64>>,
    /// How fast tasks are handed out.
    #[serde(default, deserialize_with = "named_object")]
    #[schema(value_type = Option<TaskRate>)]
    rate: Option<Option<TaskRate>>,
    /// The same for each fairness key; tasks without one do not count.
    #[serde(default, deserialize_with = "named_object")]
    #[schema(value_type = Option<TaskRate>)]
    rate_per_key: Option<Option<TaskRate>>,
    /// Whether it is to hand out nothing; what workers have stays with them.
    #[serde(default)]
    drained: Option<bool>,
}

impl ChangeTaskQueueRequest {
    /// The change that it asks for.
    pub(crate) fn into_change(self) -> Result<SettingsChange, ApiError> {
        let concurrency = |limit: Option<Option<u64>>| {
            let checked = |tasks| model::Concurrency::new(tasks).map_err(invalid);
            limit.map(|limit| limit.map(checked).transpose()).transpose()
        };
        let rate = |rate: Option<Option<TaskRate>>| {
            let checked = |TaskRate { per_second, burst }| {
                model::Rate::new(per_second, burst).map_err(invalid)
            };
            rate.map(|rate| rate.map(checked).transpose()).transpose()
        };
        Ok(SettingsChange {
            concurrency: concurrency(self.concurrency)?,
            concurrency_per_key: concurrency(self.concurrency_per_key)?,
            rate: rate(self.rate)?,
            rate_per_key: rate(self.rate_per_key)?,
            is_drained: self.drained,
        })
    }
}

fn invalid(error: model::InvalidLimit) -> ApiError {
    ApiError::new(ErrorCode::InvalidArgument, error.to_string())
}

impl From<QueueSettings> for TaskQueueSettings {
    fn from(settings: QueueSettings) -> Self {
        let QueueSettings { queue, limits, is_drained, .. } = settings;
        Self { name: queue, limits: limits.into(), drained: is_drained }
    }
}

impl From<model::QueueLimits> for TaskQueueLimits {
    fn from(limits: model::QueueLimits) -> Self {
        let model::QueueLimits { concurrency, concurrency_per_key, rate, rate_per_key } = limits;
        Self {
            concurrency: concurrency.map(model::Concurrency::tasks),
            concurrency_per_key: concurrency_per_key.map(model::Concurrency::tasks),
            rate: rate.map(TaskRate::from),
            rate_per_key: rate_per_key.map(TaskRate::from),
        }
    }
}

impl From<model::Rate> for TaskRate {
    fn from(rate: model::Rate) -> Self {
        Self { per_second: rate.per_second(), burst: Some(rate.burst()) }
    }
}

/// Tasks of one priority that a worker could have now.
#[derive(Serialize, ToSchema)]
pub(crate) struct Backlog {
    /// From 1, which comes first, to 5.
    priority: u8,
    /// How many.
    tasks: u64,
    /// Since when the oldest of them waits.
    #[schema(value_type = String, format = DateTime)]
    oldest_since: Timestamp,
}

/// An activity type that no worker takes.
#[derive(Serialize, ToSchema)]
pub(crate) struct UnofferedType {
    /// The type.
    #[schema(value_type = String)]
    activity_type: TypeName,
    /// How many of its tasks wait, among the first 10,000 of the queue.
    tasks: u64,
}

/// A fairness key whose limits allow nothing more now.
#[derive(Serialize, ToSchema)]
pub(crate) struct FullKey {
    /// The key.
    #[schema(value_type = String)]
    key: FairnessKey,
    /// Its tasks that workers have in hand.
    in_hand: u64,
}

/// A worker that polls a queue.
#[derive(Serialize, ToSchema)]
pub(crate) struct Worker {
    /// What it calls itself.
    #[schema(value_type = String)]
    identity: WorkerIdentity,
    /// The version of its code, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    build_id: Option<String>,
    /// When its last poll began.
    #[schema(value_type = String, format = DateTime)]
    last_poll_at: Timestamp,
}

/// A task in the hand of a worker.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskLease {
    /// The workflow id of the run that waits for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    workflow_id: Option<WorkflowId>,
    /// The run that waits for it.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// Its `ActivityTaskScheduled`.
    scheduled_event_id: u64,
    /// What runs.
    #[schema(value_type = String)]
    activity_type: TypeName,
    /// Who has it.
    #[schema(value_type = String)]
    worker: WorkerIdentity,
    /// The attempt, from 1.
    attempt: u32,
    /// Leases of this task so far, with this one.
    lease_epoch: u64,
    /// When the attempt began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it counts as failed unless the worker says that it is alive.
    #[schema(value_type = String, format = DateTime)]
    lease_until: Timestamp,
}

impl From<QueueDescription> for TaskQueue {
    fn from(described: QueueDescription) -> Self {
        let QueueDescription {
            queue,
            depth,
            limits,
            is_drained,
            workers,
            watched_since,
            last_minute,
            offered,
            unoffered,
            room,
            full_keys,
            leased,
        } = described;
        let backlog = depth.ready.into_iter().map(|(priority, tasks, oldest_since)| Backlog {
            priority: priority.number(),
            tasks,
            oldest_since,
        });
        Self {
            name: queue,
            backlog: backlog.collect(),
            delayed: depth.delayed,
            in_hand: depth.leased,
            limits: limits.into(),
            drained: is_drained,
            workers: workers.into_iter().map(Worker::from).collect(),
            watched_since,
            added_last_minute: last_minute.came,
            handed_out_last_minute: last_minute.handed_out,
            offered_types: match offered {
                Offered::All => None,
                Offered::Types(types) => Some(types.into_iter().collect()),
            },
            unoffered_types: unoffered
                .into_iter()
                .map(|(activity_type, tasks)| UnofferedType { activity_type, tasks })
                .collect(),
            room,
            full_keys: full_keys
                .into_iter()
                .map(|KeyUse { key, in_hand }| FullKey { key, in_hand })
                .collect(),
            leases: leased.into_iter().map(TaskLease::from).collect(),
        }
    }
}

impl From<SeenWorker> for Worker {
    fn from(worker: SeenWorker) -> Self {
        let SeenWorker { identity, build_id, last_poll_at } = worker;
        Self { identity, build_id, last_poll_at }
    }
}

impl From<HeldTask> for TaskLease {
    fn from(held: HeldTask) -> Self {
        let HeldTask { leased: LeasedTask { task, lease }, workflow_id } = held;
        Self {
            workflow_id,
            run_id: task.key.run_id,
            scheduled_event_id: task.event_id.0,
            activity_type: task.activity_type,
            worker: lease.worker,
            attempt: task.attempt.number,
            lease_epoch: task.lease_epoch,
            started_at: lease.started_at,
            lease_until: lease.expires_at,
        }
    }
}
