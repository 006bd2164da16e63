//! Runs: their summary, their description, and lists of them.

use dacapo_model::execution::{self, Execution, ExecutionStatus};
use dacapo_model::ids::{
    ChangeId, EventId, OperationId, QueryName, RequestId, RunId, SignalName, TypeName, UpdateId,
    WorkerIdentity, WorkflowId,
};
use dacapo_model::module::ModuleDigest;
use dacapo_model::tag::Tags;
use dacapo_model::time::Timestamp;
use dacapo_service::operations;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

use super::attributes::child::{Parent, ParentClosePolicy};
use super::failure::Failure;
use super::mirror::mirror;
use super::options::{SearchAttribute, show_memo, show_search_attributes};
use super::payload::{self, RawJson};
use super::task_placement::TaskPlacement;

mirror! {
    /// Where a run stands.
    RunStatus = ExecutionStatus {
        /// Open: it runs, or waits for something.
        Running,
        /// Open, but its code can't go on; its `blocked` report says why.
        Blocked,
        /// Closed with a result.
        Completed,
        /// Closed with a failure.
        Failed,
        /// Closed because it was asked to.
        Canceled,
        /// Closed from outside.
        Terminated,
        /// Closed, and goes on as a new run.
        ContinuedAsNew,
        /// Closed because its time was over.
        TimedOut,
    }
}

/// Why a run's code can't go on. The run is kept; nothing of it is lost.
#[derive(Serialize, ToSchema)]
pub(crate) struct Blocked {
    /// A stable code with a page in the documentation.
    #[schema(example = "guest_trap")]
    code: String,
    /// What happened and what to do about it.
    message: String,
    /// Where in the guest, if known: one frame per line, the innermost first.
    #[serde(skip_serializing_if = "Option::is_none")]
    backtrace: Option<String>,
    /// What history and code disagree about, if that is the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    nondeterminism: Option<Nondeterminism>,
}

/// Where code and history part.
#[derive(Serialize, ToSchema)]
pub(crate) struct Nondeterminism {
    /// The event at which they part.
    event_id: u64,
    /// What history has there.
    recorded: String,
    /// What the code did instead.
    attempted: String,
    /// The code that the run is pinned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pinned_module: Option<ModuleDigest>,
    /// The code that it was replayed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    replayed_module: Option<ModuleDigest>,
}

/// What is known of a run without its history.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunSummary {
    /// The caller's name for it.
    #[schema(value_type = String, example = "order-17")]
    workflow_id: WorkflowId,
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// What it runs.
    #[schema(value_type = String, example = "checkout")]
    workflow_type: TypeName,
    /// The code it is pinned to.
    #[schema(value_type = String)]
    module_digest: ModuleDigest,
    /// Where it stands.
    status: RunStatus,
    /// Why its code can't go on; there exactly while it is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<Blocked>,
    /// The request that started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    request_id: Option<RequestId>,
    /// What is said about it, for people.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    memo: BTreeMap<String, RawJson>,
    /// What is said about it, with types.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    search_attributes: BTreeMap<String, SearchAttribute>,
    /// Its labels.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    tags: Tags,
    /// When it started.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Timestamp>,
    /// When its workflow could run for the first time: when it started, or when the delay of its
    /// start was over.
    #[schema(value_type = String, format = DateTime)]
    execution_time: Timestamp,
    /// The run that started it as a child. Lists don't know it of runs that were started by a
    /// version which did not keep it for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Parent>,
    /// Events in its history. In lists: of closed runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    history_length: Option<u64>,
    /// About how many bytes its history has. In lists: of closed runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    history_bytes: Option<u64>,
}

/// Everything that is known of a run without its history.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunDescription {
    #[serde(flatten)]
    run: RunSummary,
    /// Whether someone asked it to cancel.
    cancel_requested: bool,
    /// Counts the runs since one failed, from 1.
    attempt: u32,
    /// The first of the runs that followed each other up to this one; absent if it is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    first_run_id: Option<RunId>,
    /// Until when its start is delayed; absent once it has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    delayed_until: Option<Timestamp>,
    /// When its time is over; absent if it has no limit, or is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    times_out_at: Option<Timestamp>,
    /// Activities without an outcome, in the order they were scheduled.
    pending_activities: Vec<PendingActivity>,
    /// Timers that have not fired, in the order they were started.
    pending_timers: Vec<PendingTimer>,
    /// Updates without an outcome.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pending_updates: Vec<PendingUpdate>,
    /// The names of the values that it has published, which queries answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    published: Vec<QueryName>,
    /// The versions of changes of its code that the run follows, by change id. While it is open.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, u32>)]
    versions: BTreeMap<ChangeId, u32>,
    /// Children that have not closed, in the order they were asked for.
    pending_children: Vec<PendingChild>,
    /// Requests to other runs that are under way, in the order they were made.
    pending_externals: Vec<PendingExternal>,
}

/// A child that has not closed.
#[derive(Serialize, ToSchema)]
pub(crate) struct PendingChild {
    /// Its `StartChildWorkflowExecutionInitiated`.
    #[schema(value_type = u64)]
    initiated_event_id: EventId,
    /// The workflow's name for its end.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// Its name.
    #[schema(value_type = String)]
    workflow_id: WorkflowId,
    /// Its first run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// What runs.
    #[schema(value_type = String)]
    workflow_type: TypeName,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    initiated_at: Timestamp,
    /// Whether it is known to have started.
    started: bool,
    /// Whether it was asked to cancel.
    cancel_requested: bool,
    /// What becomes of it when this run closes.
    parent_close_policy: ParentClosePolicy,
}

/// A request to another run that is under way.
#[derive(Serialize, ToSchema)]
pub(crate) struct PendingExternal {
    /// The event that asked for it.
    #[schema(value_type = u64)]
    initiated_event_id: EventId,
    /// The workflow's name for it; of a child, that for its end.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// Who is to get it.
    #[schema(value_type = String)]
    workflow_id: WorkflowId,
    /// A certain run; absent if the open one is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    run_id: Option<RunId>,
    /// The signal's name; absent if it is a request to cancel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    signal_name: Option<SignalName>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    initiated_at: Timestamp,
}

/// An update without an outcome.
#[derive(Serialize, ToSchema)]
pub(crate) struct PendingUpdate {
    /// Which one.
    #[schema(value_type = String)]
    update_id: UpdateId,
    /// Whether the workflow has taken it on.
    accepted: bool,
}

/// An activity without an outcome.
#[derive(Serialize, ToSchema)]
pub(crate) struct PendingActivity {
    /// Its `ActivityTaskScheduled`.
    #[schema(value_type = u64)]
    scheduled_event_id: EventId,
    /// The workflow's name for it.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// What runs.
    #[schema(value_type = String)]
    activity_type: TypeName,
    /// When it was scheduled.
    #[schema(value_type = String, format = DateTime)]
    scheduled_at: Timestamp,
    /// The attempt that runs or comes next, from 1.
    attempt: u32,
    /// When the next attempt is due; absent while one runs or is about to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// What the attempt before failed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<Failure>,
    /// What the last heartbeat said that was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_details: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_details_base64: Option<String>,
    /// True if its attempt is to be completed from outside.
    asynchronous: bool,
    /// Whether the workflow asked it to cancel.
    cancel_requested: bool,
    /// Whether an operator holds it: no further attempt begins.
    paused: bool,
    /// Where its attempts wait for a worker; absent if no worker runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_queue: Option<TaskPlacement>,
    /// The worker that has its attempt; absent if none has. Of the first 100 activities of
    /// task queues.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<ActivityLease>,
}

/// Who has an attempt.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivityLease {
    /// The identity of the worker.
    #[schema(value_type = String)]
    worker: WorkerIdentity,
    /// Since when it has the attempt.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When the attempt counts as lost, unless a heartbeat comes before.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A timer that has not fired.
#[derive(Serialize, ToSchema)]
pub(crate) struct PendingTimer {
    /// Its `TimerStarted`.
    #[schema(value_type = u64)]
    started_event_id: EventId,
    /// The workflow's name for it.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// When it fires.
    #[schema(value_type = String, format = DateTime)]
    fire_at: Timestamp,
}

/// One page of a list of runs, the newest start first.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunList {
    /// The runs.
    pub(crate) runs: Vec<RunSummary>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_page_token: Option<String>,
}

/// The run that an operation was about.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunChanged {
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    pub(crate) run_id: RunId,
}

impl From<execution::Blocked> for Blocked {
    fn from(blocked: execution::Blocked) -> Self {
        Self {
            code: blocked.code,
            message: blocked.message,
            backtrace: blocked.backtrace,
            nondeterminism: blocked.nondeterminism.map(|it| Nondeterminism {
                event_id: it.event_id,
                recorded: it.recorded,
                attempted: it.attempted,
                pinned_module: it.pinned_module,
                replayed_module: it.replayed_module,
            }),
        }
    }
}

impl From<Execution> for RunSummary {
    fn from(run: Execution) -> Self {
        let execution_time = run.execution_time();
        Self {
            workflow_id: run.workflow_id,
            run_id: run.key.run_id,
            workflow_type: run.workflow_type,
            module_digest: run.module_digest,
            status: run.status.into(),
            blocked: run.blocked.map(Blocked::from),
            request_id: run.request_id,
            memo: show_memo(run.attributes.memo),
            search_attributes: show_search_attributes(run.attributes.search_attributes),
            tags: run.attributes.tags,
            started_at: run.started_at,
            execution_time,
            closed_at: run.closed_at,
            parent: run.parent.map(Parent::from),
            history_length: run.history_size.map(|size| size.events),
            history_bytes: run.history_size.map(|size| size.bytes),
        }
    }
}

impl From<operations::RunDescription> for RunDescription {
    fn from(description: operations::RunDescription) -> Self {
        let activities = description.pending_activities.into_iter();
        let timers = description.pending_timers.into_iter();
        let children = description.pending_children.into_iter();
        let externals = description.pending_externals.into_iter();
        let updates = description.pending_updates.into_iter();
        Self {
            run: RunSummary {
                parent: description.parent.map(Parent::from),
                history_length: Some(description.history_length),
                history_bytes: description.history_bytes,
                ..description.execution.into()
            },
            cancel_requested: description.cancel_requested,
            attempt: description.chain.attempt,
            first_run_id: description.chain.first_run_id,
            delayed_until: description.chain.delayed_until,
            times_out_at: description.chain.times_out_at,
            pending_activities: activities.map(PendingActivity::from).collect(),
            pending_timers: timers.map(PendingTimer::from).collect(),
            pending_updates: updates.map(PendingUpdate::from).collect(),
            published: description.published,
            versions: description.versions,
            pending_children: children.map(PendingChild::from).collect(),
            pending_externals: externals.map(PendingExternal::from).collect(),
        }
    }
}

impl From<operations::ChildDescription> for PendingChild {
    fn from(child: operations::ChildDescription) -> Self {
        Self {
            initiated_event_id: child.initiated_event_id,
            operation_id: child.operation_id,
            workflow_id: child.workflow_id,
            run_id: child.run_id,
            workflow_type: child.workflow_type,
            initiated_at: child.initiated_at,
            started: child.started,
            cancel_requested: child.cancel_requested,
            parent_close_policy: child.parent_close_policy.into(),
        }
    }
}

impl From<operations::ExternalDescription> for PendingExternal {
    fn from(external: operations::ExternalDescription) -> Self {
        Self {
            initiated_event_id: external.initiated_event_id,
            operation_id: external.operation_id,
            workflow_id: external.workflow_id,
            run_id: external.run_id,
            signal_name: external.signal_name,
            initiated_at: external.initiated_at,
        }
    }
}

impl From<operations::LeaseDescription> for ActivityLease {
    fn from(lease: operations::LeaseDescription) -> Self {
        let operations::LeaseDescription { worker, started_at, expires_at } = lease;
        Self { worker, started_at, expires_at }
    }
}

impl From<operations::ActivityDescription> for PendingActivity {
    fn from(activity: operations::ActivityDescription) -> Self {
        let details = activity.heartbeat_details.as_ref().map(payload::embed);
        let (heartbeat_details, heartbeat_details_base64) = details.unwrap_or_default();
        Self {
            scheduled_event_id: activity.scheduled_event_id,
            operation_id: activity.operation_id,
            activity_type: activity.activity_type,
            scheduled_at: activity.scheduled_at,
            attempt: activity.attempt,
            next_attempt_at: activity.next_attempt_at,
            last_failure: activity.last_failure.map(Failure::from),
            heartbeat_details,
            heartbeat_details_base64,
            asynchronous: activity.is_open,
            cancel_requested: activity.cancel_requested,
            paused: activity.paused,
            task_queue: activity.task_queue.map(TaskPlacement::from),
            lease: activity.lease.map(ActivityLease::from),
        }
    }
}

impl From<operations::UpdateDescription> for PendingUpdate {
    fn from(update: operations::UpdateDescription) -> Self {
        Self { update_id: update.update_id, accepted: update.accepted }
    }
}

impl From<operations::TimerDescription> for PendingTimer {
    fn from(timer: operations::TimerDescription) -> Self {
        Self {
            started_event_id: timer.started_event_id,
            operation_id: timer.operation_id,
            fire_at: timer.fire_at,
        }
    }
}
