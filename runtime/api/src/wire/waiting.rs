//! Where runs wait.

use dacapo_model::ids::{OperationId, RunId, SignalName, TypeName, WorkflowId};
use dacapo_model::time::Timestamp;
use dacapo_service::operations;
use serde::Serialize;
use utoipa::ToSchema;

use super::run::RunStatus;
use super::task_placement::TaskPlacement;

/// Where the code of a run waits.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunWaiting {
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// Where it stands.
    status: RunStatus,
    /// What its code waits for; absent while the run is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<Awaited>,
    /// The same in full: each of these ends a wait. What the code itself says, if its SDK tells it;
    /// otherwise all that the run has under way.
    waits: Vec<Wait>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    more_waits: u64,
    /// Signals that its code has not taken: nobody waits for their names, or nobody has yet.
    untaken_signals: Vec<SignalsLeft>,
    /// Signals that its code has set aside, since they say something else than it expects.
    invalid_signals: Vec<SignalsLeft>,
    /// Where in the code, if the module has names: one frame per line, the innermost first. Of a
    /// blocked run, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    backtrace: Option<String>,
}

/// One of the waits of a run's code.
#[derive(Serialize, ToSchema)]
pub(crate) struct Wait {
    /// For what.
    #[serde(flatten)]
    awaited: Awaited,
    /// Where in the code, if it says so: file, line and column.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
}

/// Signals of one name that nobody has taken.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignalsLeft {
    /// The name.
    name: String,
    /// How many.
    count: u64,
    /// What is wrong with the last of them, if something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What the code of a run waits for.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Awaited {
    /// Whatever happens next: it takes queries and updates.
    Next,
    /// One activity.
    Activity {
        /// The workflow's name for it.
        #[schema(value_type = u32)]
        operation_id: OperationId,
        /// What runs.
        #[schema(value_type = String)]
        activity_type: TypeName,
        /// The attempt that runs or comes next, from 1.
        attempt: u32,
        /// Where its attempts wait for a worker; absent if no worker runs it.
        #[serde(skip_serializing_if = "Option::is_none")]
        task_queue: Option<TaskPlacement>,
    },
    /// One timer, or a sleep.
    Timer {
        /// The workflow's name for it.
        #[schema(value_type = u32)]
        operation_id: OperationId,
        /// When it fires.
        #[schema(value_type = String, format = DateTime)]
        fire_at: Timestamp,
    },
    /// That a child has started, or its end.
    Child {
        /// The workflow's name for it.
        #[schema(value_type = u32)]
        operation_id: OperationId,
        /// What runs.
        #[schema(value_type = String)]
        workflow_type: TypeName,
        /// Its name.
        #[schema(value_type = String)]
        workflow_id: WorkflowId,
        /// Whether it is known to have started.
        started: bool,
    },
    /// That another run has recorded what this one asked of it.
    External {
        /// The workflow's name for it.
        #[schema(value_type = u32)]
        operation_id: OperationId,
        /// Who is to get it.
        #[schema(value_type = String)]
        workflow_id: WorkflowId,
        /// The signal's name; absent for a request to cancel.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        signal_name: Option<SignalName>,
    },
    /// One operation of another kind.
    Operation {
        /// The workflow's name for it.
        #[schema(value_type = u32)]
        operation_id: OperationId,
    },
    /// A signal.
    Signal {
        /// Of this name.
        #[schema(value_type = String)]
        signal_name: SignalName,
    },
    /// Something that its own code decides about.
    Other {
        /// What that is there, such as `condition`.
        what: String,
    },
    /// Its history can't be replayed now.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl From<operations::WaitingDescription> for RunWaiting {
    fn from(waiting: operations::WaitingDescription) -> Self {
        Self {
            run_id: waiting.run_id,
            status: waiting.status.into(),
            waiting_for: waiting.awaited.map(Awaited::from),
            waits: waiting.waits.into_iter().map(Wait::from).collect(),
            more_waits: waiting.more_waits,
            untaken_signals: waiting.untaken_signals.into_iter().map(SignalsLeft::from).collect(),
            invalid_signals: waiting.invalid_signals.into_iter().map(SignalsLeft::from).collect(),
            backtrace: waiting.backtrace,
        }
    }
}

impl From<operations::Wait> for Wait {
    fn from(wait: operations::Wait) -> Self {
        Self { awaited: wait.awaited.into(), location: wait.location }
    }
}

impl From<operations::SignalsLeft> for SignalsLeft {
    fn from(signals: operations::SignalsLeft) -> Self {
        Self { name: signals.name, count: signals.count, problem: signals.problem }
    }
}

impl From<operations::Awaited> for Awaited {
    fn from(awaited: operations::Awaited) -> Self {
        match awaited {
            operations::Awaited::Next => Self::Next,
            operations::Awaited::Activity { operation_id, activity_type, attempt, task_queue } => {
                let task_queue = task_queue.map(TaskPlacement::from);
                Self::Activity { operation_id, activity_type, attempt, task_queue }
            }
            operations::Awaited::Timer { operation_id, fire_at } => {
                Self::Timer { operation_id, fire_at }
            }
            operations::Awaited::Child { operation_id, workflow_type, workflow_id, started } => {
                Self::Child { operation_id, workflow_type, workflow_id, started }
            }
            operations::Awaited::External { operation_id, workflow_id, signal_name } => {
                Self::External { operation_id, workflow_id, signal_name }
            }
            operations::Awaited::Operation { operation_id } => Self::Operation { operation_id },
            operations::Awaited::Other { what } => Self::Other { what },
            operations::Awaited::Signal { name } => Self::Signal { signal_name: name },
            operations::Awaited::Unknown { reason } => Self::Unknown { reason },
        }
    }
}
