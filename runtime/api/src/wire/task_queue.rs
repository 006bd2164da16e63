//! Task queues.

use dacapo_model::ids::{QueueName, RunId, TypeName, WorkerIdentity};
use dacapo_model::time::Timestamp;
use dacapo_service::operations::{LeasedTask, QueueDescription, SeenWorker};
use serde::Serialize;
use utoipa::ToSchema;

/// Task queues of a namespace.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskQueueList {
    /// By name.
    pub(crate) task_queues: Vec<TaskQueue>,
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
    /// Workers that have polled it in the last five minutes, on this server.
    workers: Vec<Worker>,
    /// The tasks in hand, 100 at most; none in a list of queues.
    leases: Vec<TaskLease>,
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
        let QueueDescription { queue, depth, workers, leased } = described;
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
            workers: workers.into_iter().map(Worker::from).collect(),
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

impl From<LeasedTask> for TaskLease {
    fn from(leased: LeasedTask) -> Self {
        let LeasedTask { task, lease } = leased;
        Self {
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
