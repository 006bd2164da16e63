//! How a run is.

use std::collections::BTreeMap;

use dacapo_engine::state::{ExternalRequest, PendingChild, PendingExternal};
use dacapo_model::event::{ParentClosePolicy, ParentExecution};
use dacapo_model::execution::Execution;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{
    ChangeId, EventId, OperationId, QueryName, RunId, SignalName, TypeName, UpdateId,
    WorkerIdentity, WorkflowId,
};
use dacapo_model::payload::Payload;
use dacapo_model::task::TaskRoute;
use dacapo_model::time::Timestamp;

/// Everything that is known of a run without its history.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDescription {
    /// Its summary.
    pub execution: Execution,
    /// Events in its history.
    pub history_length: u64,
    /// About how many bytes its history has; none if a version closed it that did not say so.
    pub history_bytes: Option<u64>,
    /// Whether someone asked it to cancel. Of a closed run: whether that is how
    /// it closed.
    pub cancel_requested: bool,
    /// Its place among the runs that follow each other, and its times.
    pub chain: ChainDescription,
    /// Activities without an outcome, in the order they were scheduled.
    pub pending_activities: Vec<ActivityDescription>,
    /// Timers that have not fired, in the order they were started.
    pub pending_timers: Vec<TimerDescription>,
    /// The versions of changes of its code that it follows. Of an open run.
    pub versions: BTreeMap<ChangeId, u32>,
    /// The run that started it as a child.
    pub parent: Option<ParentExecution>,
    /// Children that have not closed, in the order they were asked for.
    pub pending_children: Vec<ChildDescription>,
    /// Requests to other runs that are under way, in the order they were made.
    pub pending_externals: Vec<ExternalDescription>,
    /// Updates without an outcome.
    pub pending_updates: Vec<UpdateDescription>,
    /// The names of the values that it has published.
    pub published: Vec<QueryName>,
}

impl RunDescription {
    /// The same of a run of which nobody knows what it waits for.
    pub(crate) fn without_pending(self) -> Self {
        Self {
            pending_activities: Vec::new(),
            pending_timers: Vec::new(),
            pending_children: Vec::new(),
            pending_externals: Vec::new(),
            pending_updates: Vec::new(),
            ..self
        }
    }
}

/// An update without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateDescription {
    /// Which one.
    pub update_id: UpdateId,
    /// Whether the workflow has taken it on.
    pub accepted: bool,
}

/// A run's place among those that follow each other, and the time it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainDescription {
    /// Counts the runs since one failed, from 1.
    pub attempt: u32,
    /// The first of them; none if it is the first.
    pub first_run_id: Option<RunId>,
    /// Until when its start is delayed; none once it has begun.
    pub delayed_until: Option<Timestamp>,
    /// When its time is over; none if it has no limit, or is closed.
    pub times_out_at: Option<Timestamp>,
}

/// An activity without an outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityDescription {
    /// Its `ActivityTaskScheduled`.
    pub scheduled_event_id: EventId,
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// What runs.
    pub activity_type: TypeName,
    /// When it was scheduled.
    pub scheduled_at: Timestamp,
    /// The attempt that runs or comes next.
    pub attempt: u32,
    /// When the next attempt is due; none while one runs or is about to, and while the
    /// activity is paused.
    pub next_attempt_at: Option<Timestamp>,
    /// What the attempt before failed with.
    pub last_failure: Option<Failure>,
    /// What the last heartbeat said that was stored.
    pub heartbeat_details: Option<Payload>,
    /// Its attempt is to be completed from outside.
    pub is_open: bool,
    /// The workflow asked it to cancel.
    pub cancel_requested: bool,
    /// An operator holds it.
    pub paused: bool,
    /// Where its attempts wait for a worker; none if no worker runs it.
    pub task_queue: Option<TaskRoute>,
    /// Who has its attempt; none if no worker has it.
    pub lease: Option<LeaseDescription>,
}

/// Who has an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseDescription {
    /// Who.
    pub worker: WorkerIdentity,
    /// Since when.
    pub started_at: Timestamp,
    /// Until when, unless a heartbeat comes.
    pub expires_at: Timestamp,
}

/// A timer that has not fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerDescription {
    /// Its `TimerStarted`.
    pub started_event_id: EventId,
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// When it fires.
    pub fire_at: Timestamp,
}

/// A child that has not closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildDescription {
    /// Its `StartChildWorkflowExecutionInitiated`.
    pub initiated_event_id: EventId,
    /// The guest's name for its end.
    pub operation_id: OperationId,
    /// Its name.
    pub workflow_id: WorkflowId,
    /// Its first run.
    pub run_id: RunId,
    /// What runs.
    pub workflow_type: TypeName,
    /// When it was asked for.
    pub initiated_at: Timestamp,
    /// Whether it is known to have started.
    pub started: bool,
    /// Whether it was asked to cancel.
    pub cancel_requested: bool,
    /// What becomes of it when this run closes.
    pub parent_close_policy: ParentClosePolicy,
}

impl ChildDescription {
    pub(crate) fn of((initiated_event_id, child): (&EventId, &PendingChild)) -> Self {
        Self {
            initiated_event_id: *initiated_event_id,
            operation_id: child.initiated.closed_operation_id,
            workflow_id: child.initiated.workflow_id.clone(),
            run_id: child.initiated.run_id,
            workflow_type: child.initiated.workflow_type.clone(),
            initiated_at: child.initiated_at,
            started: child.started,
            cancel_requested: child.cancel_requested,
            parent_close_policy: child.initiated.options.parent_close_policy,
        }
    }
}

/// A request to another run that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalDescription {
    /// The event that asked for it.
    pub initiated_event_id: EventId,
    /// The guest's name for it; of a child, that for its end.
    pub operation_id: OperationId,
    /// Who is to get it.
    pub workflow_id: WorkflowId,
    /// A certain run; none means the open one.
    pub run_id: Option<RunId>,
    /// The signal's name; none for a request to cancel.
    pub signal_name: Option<SignalName>,
    /// When it was asked for.
    pub initiated_at: Timestamp,
}

impl ExternalDescription {
    pub(crate) fn of((initiated_event_id, external): (&EventId, &PendingExternal)) -> Self {
        Self {
            initiated_event_id: *initiated_event_id,
            operation_id: external.operation_id,
            workflow_id: external.workflow_id.clone(),
            run_id: external.run_id,
            signal_name: match &external.request {
                ExternalRequest::Signal { name, .. } => Some(name.clone()),
                _ => None,
            },
            initiated_at: external.initiated_at,
        }
    }
}
