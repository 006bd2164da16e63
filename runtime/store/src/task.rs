//! Attempts of activities that workers make (`task_queues`, `task_queue_leases`).
//!
//! ```text
//!               claim_tasks                      TaskChange::Remove
//!  task_queues ─────────────▶ task_queue_leases ───────────────────▶ nothing
//!   waits       ◀─────────────   in hand
//!               TaskChange::Requeue
//! ```
//!
//! An activity with a task queue that has no outcome has exactly one row, in one of the
//! two tables. Its run is the only one who decides what becomes of it: it writes the row
//! with `ActivityTaskScheduled`, moves it back for the next attempt, and removes it with
//! the event that closes the activity. Claims and heartbeats touch nothing but who has
//! it, and until when. The input stays in history.

use std::time::Duration;

use async_trait::async_trait;
use dacapo_model::event::ActivityOptions;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{
    EventId, NamespaceName, OperationId, QueueName, RunKey, TypeName, WorkerIdentity, WorkflowId,
};
use dacapo_model::payload::Payload;
use dacapo_model::task::{FairnessKey, Priority};
use dacapo_model::time::Timestamp;
use dacapo_model::timer::NEVER;

use crate::error::Result;
use crate::shard::HashRange;

/// Names a task: the run, and its `ActivityTaskScheduled`.
pub type TaskKey = (RunKey, EventId);

/// An attempt that waits for a worker, or for its time (`task_queues`).
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    /// The run.
    pub key: RunKey,
    /// Its `ActivityTaskScheduled`.
    pub event_id: EventId,
    /// The namespace of the run.
    pub namespace: NamespaceName,
    /// Where it waits.
    pub queue: QueueName,
    /// What is to run.
    pub activity_type: TypeName,
    /// Which tasks come first.
    pub priority: Priority,
    /// Whose task it is.
    pub fairness_key: Option<FairnessKey>,
    /// Its place among the tasks of its queue and priority: the smallest is the first.
    pub fairness_rank: i64,
    /// No worker has it before then. [`NEVER`] while the
    /// activity is paused.
    pub visible_at: Timestamp,
    /// When its run is told that no worker has taken it; none if it may wait.
    pub expires_at: Option<Timestamp>,
    /// What waits for a worker, and after it has one, what its lease is cut to.
    pub attempt: TaskAttempt,
    /// Leases there were so far.
    pub lease_epoch: u64,
}

/// Which attempt it is, and what it is told: all that is not in history.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskAttempt {
    /// Among all attempts, from 1.
    pub number: u32,
    /// Limit for this attempt from the lease on; a lease never goes beyond it.
    pub start_to_close: Duration,
    /// Longest silence; a lease never goes beyond it.
    pub heartbeat: Option<Duration>,
    /// When all attempts together have to end; a lease never goes beyond it.
    pub close_by: Option<Timestamp>,
    /// What the attempt before failed with.
    pub last_failure: Option<Failure>,
    /// What the last heartbeat said.
    pub details: Option<Payload>,
}

impl TaskAttempt {
    /// Until when a lease goes that is given or prolonged at `now`, for an attempt that
    /// began at `started_at`.
    pub fn lease_until(&self, started_at: Timestamp, now: Timestamp, lease: Duration) -> Timestamp {
        let silence = self.heartbeat.map_or(lease, |heartbeat| heartbeat.min(lease));
        let until = now.after(silence).min(started_at.after(self.start_to_close));
        self.close_by.map_or(until, |close_by| until.min(close_by))
    }
}

/// Who has an attempt, and until when (`task_queue_leases`).
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// Who.
    pub worker: WorkerIdentity,
    /// A digest of the secret in its token.
    pub token_digest: [u8; 16],
    /// When the attempt began.
    pub started_at: Timestamp,
    /// When its run is told that the worker is silent, or has no more time.
    pub expires_at: Timestamp,
    /// How long it asked for; each heartbeat prolongs the lease to so much.
    pub duration: Duration,
    /// The worker is told to cancel.
    pub cancel_requested: bool,
    /// The worker is told that the activity is paused.
    pub paused: bool,
}

/// A task and its lease. The row of `task_queue_leases` has all of both: the task goes
/// back as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct LeasedTask {
    /// The task; `lease_epoch` counts this lease, too.
    pub task: TaskRow,
    /// Who has it.
    pub lease: Lease,
}

impl LeasedTask {
    /// The task as it goes back at `now`, if no worker has heard of it. One that is paused
    /// waits until it is not.
    #[must_use]
    pub fn put_back(&self, now: Timestamp) -> TaskRow {
        let visible_at = if self.lease.paused { NEVER } else { now };
        TaskRow { visible_at, ..self.task.clone() }
    }
}

/// A change of the task of an activity, in the transition of its run.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskChange {
    /// It waits for a worker. Replaces whatever row there is, also a lease.
    Enqueue(Box<TaskRow>),
    /// A worker has it from the beginning. Replaces whatever row there is.
    Lease(Box<LeasedTask>),
    /// Lets the task wait for its next attempt, wherever it is: one that waits may have
    /// been said to have failed by its ids. What the last heartbeat said goes with it.
    /// Nothing if there is no row.
    Requeue {
        /// Its `ActivityTaskScheduled`.
        event_id: EventId,
        /// The next attempt.
        attempt: u32,
        /// When it begins.
        visible_at: Timestamp,
        /// As in [`TaskRow`].
        expires_at: Option<Timestamp>,
        /// What the attempt failed with.
        last_failure: Failure,
        /// As in [`TaskRow`].
        fairness_rank: i64,
    },
    /// Tells whoever has it, now or later. A task that waits is not handed out while it
    /// is paused, and is again at `visible_at` when it is not. Nothing if there is no row.
    Tell {
        /// Its `ActivityTaskScheduled`.
        event_id: EventId,
        /// The worker is to cancel until then, when the run is told that it has not: its
        /// lease does not go beyond that, and is not prolonged beyond it.
        cancel_until: Option<Timestamp>,
        /// Whether the activity is paused.
        paused: bool,
        /// When a task that waits may be handed out.
        visible_at: Timestamp,
        /// Of a task that waits, as in [`TaskRow`].
        expires_at: Option<Timestamp>,
    },
    /// Removes it from wherever it is. Nothing if it is nowhere.
    Remove {
        /// Its `ActivityTaskScheduled`.
        event_id: EventId,
    },
}

/// What a poll asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskClaim {
    /// The namespace.
    pub namespace: NamespaceName,
    /// The queue.
    pub queue: QueueName,
    /// The activity types that the worker can run; none means all.
    pub activity_types: Vec<TypeName>,
    /// Keys whose tasks are left for now.
    pub except_keys: Vec<FairnessKey>,
    /// Who asks.
    pub worker: WorkerIdentity,
    /// A digest of the secret in the tokens of the tasks.
    pub token_digest: [u8; 16],
    /// How long a lease it asks for.
    pub lease: Duration,
    /// The time.
    pub now: Timestamp,
    /// Tasks at most.
    pub limit: u32,
    /// Bytes of their inputs together; the last may go beyond it, and one is given in any
    /// case.
    pub bytes_max: u64,
}

/// Tasks of one priority that wait in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// All of them.
    Any,
    /// Those of a key, or those without one.
    Of(Option<&'a FairnessKey>),
}

impl<'a> Line<'a> {
    /// The key, if it is that of one.
    pub fn key(self) -> Option<&'a str> {
        match self {
            Self::Any => None,
            Self::Of(key) => key.map(FairnessKey::as_str),
        }
    }
}

/// A task that was claimed, with what its worker has to know from history.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedTask {
    /// The task and its lease.
    pub leased: LeasedTask,
    /// The workflow id of its run.
    pub workflow_id: WorkflowId,
    /// The workflow type of its run.
    pub workflow_type: TypeName,
    /// The workflow's name for the activity.
    pub operation_id: OperationId,
    /// The options of its `ActivityTaskScheduled`.
    pub options: ActivityOptions,
    /// When it was scheduled.
    pub scheduled_at: Timestamp,
    /// Its argument.
    pub input: Payload,
}

/// What a queue with settings handed out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LimitedClaim {
    /// The tasks, by priority, then rank, then run and event.
    pub tasks: Vec<ClaimedTask>,
    /// Whether the limits may allow more, of which the claim wanted nothing.
    pub may_be_more: bool,
    /// When the rates allow more, if they are in the way.
    pub again_at: Option<Timestamp>,
}

impl LimitedClaim {
    /// Of a queue that has no settings.
    pub fn unlimited(tasks: Vec<ClaimedTask>, claim: &TaskClaim) -> Self {
        let bytes: u64 = tasks.iter().map(|task| task.input.len() as u64).sum();
        let may_be_more = tasks.len() as u64 >= u64::from(claim.limit) || bytes >= claim.bytes_max;
        Self { tasks, may_be_more, again_at: None }
    }
}

/// A heartbeat.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseRenewal {
    /// The task.
    pub task: TaskKey,
    /// Of the lease that is prolonged.
    pub token_digest: [u8; 16],
    /// What the next attempt is to know, if it says anything.
    pub details: Option<Payload>,
}

/// Where a task is.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskPlace {
    /// It waits.
    Queue(TaskRow),
    /// A worker has it.
    Hand(LeasedTask),
}

impl TaskPlace {
    /// Which task it is.
    pub fn task(&self) -> TaskKey {
        let row = match self {
            Self::Queue(row) => row,
            Self::Hand(leased) => &leased.task,
        };
        (row.key, row.event_id)
    }
}

/// A task whose time is over: its run decides what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiredTask {
    /// The task.
    pub task: TaskKey,
    /// When its time was over, or was to be given again.
    pub expired_at: Timestamp,
}

/// A queue with tasks that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingQueue {
    /// The namespace.
    pub namespace: NamespaceName,
    /// The queue.
    pub queue: QueueName,
    /// The first time that one of them may be handed out. If some could be already, it may
    /// be when any of those could.
    pub visible_at: Timestamp,
}

/// What waits in a queue and what workers have of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueDepth {
    /// By priority: how many could be handed out, and since when the oldest could be.
    pub ready: Vec<(Priority, u64, Timestamp)>,
    /// How many wait for their time, or are paused.
    pub delayed: u64,
    /// How many are in hand.
    pub leased: u64,
}

/// Reading and leasing tasks. What leases, prolongs or puts off writes, and once the database
/// was seen to have lost something it is refused as commits are
/// ([`WentBack`](crate::error::StoreError::WentBack)).
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// Leases tasks that could be handed out at `now`, by priority, then rank, then run and
    /// event: each to one claim only, whoever else claims at the same time. Skips those
    /// that another claim is just taking. Of tasks that had to wait for their time, a claim
    /// need not take more than 1,000 into account that no claim has before. One whose run
    /// or history can't be read is leased, too, but not given. Without a verdict, tasks may
    /// have been leased that nobody has: they are over in their time.
    async fn claim_tasks(&self, claim: &TaskClaim) -> Result<Vec<ClaimedTask>>;

    /// The same for a queue that may have settings: within their limits, which count what
    /// was leased of the queue by anybody, and with tasks in hand as the tables have them.
    /// Claims of one queue come one after the other. Keys are full or not; the claim names
    /// none. A task without a key waits behind those of full keys once there are many.
    async fn claim_limited_tasks(&self, claim: &TaskClaim) -> Result<LimitedClaim>;

    /// Prolongs leases to their duration from `now` on, within the limits of their
    /// attempts, also those that are over and whose runs have not decided yet. The leases
    /// as they are then, in the order of `renewals`; none for one that is not there, or
    /// has another digest.
    async fn renew_leases(
        &self,
        renewals: &[LeaseRenewal],
        now: Timestamp,
    ) -> Result<Vec<Option<LeasedTask>>>;

    /// Puts tasks back that no worker has heard of, as they were: they can be handed out at
    /// once, and the attempts do not count. Those whose leases have other digests stay. The
    /// queues that they went back to, each once.
    async fn release_leases(
        &self,
        leases: &[(TaskKey, [u8; 16])],
        now: Timestamp,
    ) -> Result<Vec<(NamespaceName, QueueName)>>;

    /// Where the tasks are, by run and event; nothing of those that are nowhere.
    async fn find_tasks(&self, tasks: &[TaskKey]) -> Result<Vec<TaskPlace>>;

    /// All tasks of a run, by event.
    async fn run_tasks(&self, key: RunKey) -> Result<Vec<TaskPlace>>;

    /// At most `limit` leases of runs in `ranges` that were over at `now`, the oldest
    /// first. Each is given again only after `postpone`, in case the run was not told
    /// (`cleanup_expired_leases`).
    async fn expired_leases(
        &self,
        ranges: &[HashRange],
        now: Timestamp,
        postpone: Duration,
        limit: u32,
    ) -> Result<Vec<ExpiredTask>>;

    /// The same for tasks that wait (`cleanup_expired_tasks`).
    async fn expired_tasks(
        &self,
        ranges: &[HashRange],
        now: Timestamp,
        postpone: Duration,
        limit: u32,
    ) -> Result<Vec<ExpiredTask>>;

    /// Queues with tasks that may be handed out before `until`: each once, with the
    /// first such time, by namespace and name, after `after`. Reads few rows of each queue.
    async fn waiting_queues(
        &self,
        until: Timestamp,
        namespace: Option<&NamespaceName>,
        after: Option<(NamespaceName, QueueName)>,
        limit: u32,
    ) -> Result<Vec<WaitingQueue>>;

    /// The last rank in a line of those that are ready to be handed out. Of a key, only the
    /// last 10,000 of all lines are looked at.
    async fn last_rank(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        priority: Priority,
        line: Line<'_>,
    ) -> Result<Option<i64>>;

    /// What waits in a queue at `now`, and what workers have of it.
    async fn queue_depth(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        now: Timestamp,
    ) -> Result<QueueDepth>;

    /// Of which activity types tasks of a queue are that could be handed out at `now`, and how
    /// many of each, by name, at most so many types. Only the first 10,000 tasks are looked
    /// at.
    async fn waiting_types(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(TypeName, u64)>>;

    /// At most `limit` tasks of a queue that workers have, by run and event, after `after`.
    async fn leased_tasks(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        after: Option<TaskKey>,
        limit: u32,
    ) -> Result<Vec<LeasedTask>>;
}
