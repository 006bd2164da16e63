//! What a run waits for.

use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{OperationId, RunId, SignalName, TypeName, WorkflowId};
use dacapo_model::task::TaskRoute;
use dacapo_model::time::Timestamp;

/// Where the code of a run waits.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingDescription {
    /// The run.
    pub run_id: RunId,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// What its code waits for; none while the run is blocked.
    pub awaited: Option<Awaited>,
    /// The same in full: each of these ends a wait. What the code itself says, or else
    /// all that the run has under way.
    pub waits: Vec<Wait>,
    /// How many more there are.
    pub more_waits: u64,
    /// Signals that its code has not taken.
    pub untaken_signals: Vec<SignalsLeft>,
    /// Signals that its code has set aside, since they say something else than it
    /// expects.
    pub invalid_signals: Vec<SignalsLeft>,
    /// Where in the code, if it has names: one frame per line, the innermost first.
    /// Of a blocked run, where it failed.
    pub backtrace: Option<String>,
}

/// One of the waits of a run's code.
#[derive(Debug, Clone, PartialEq)]
pub struct Wait {
    /// For what.
    pub awaited: Awaited,
    /// Where in the code, if it says so: file, line and column.
    pub location: Option<String>,
}

/// Signals of one name that nobody has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalsLeft {
    /// The name.
    pub name: String,
    /// How many.
    pub count: u64,
    /// What is wrong with the last of them, if something is.
    pub problem: Option<String>,
}

/// What the code of a run waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Awaited {
    /// Whatever happens next.
    Next,
    /// One activity.
    Activity {
        /// The guest's name for it.
        operation_id: OperationId,
        /// What runs.
        activity_type: TypeName,
        /// The attempt that runs or comes next.
        attempt: u32,
        /// Where its attempts wait for a worker; none if no worker runs it.
        task_queue: Option<TaskRoute>,
    },
    /// One timer, or a sleep.
    Timer {
        /// The guest's name for it.
        operation_id: OperationId,
        /// When it fires.
        fire_at: Timestamp,
    },
    /// That a child has started, or its end.
    Child {
        /// The guest's name for it.
        operation_id: OperationId,
        /// What runs.
        workflow_type: TypeName,
        /// Its name.
        workflow_id: WorkflowId,
        /// Whether it is known to have started.
        started: bool,
    },
    /// That another run has recorded what this one asked of it.
    External {
        /// The guest's name for it.
        operation_id: OperationId,
        /// Who is to get it.
        workflow_id: WorkflowId,
        /// The signal's name; none for a request to cancel.
        signal_name: Option<SignalName>,
    },
    /// One operation of another kind.
    Operation {
        /// The guest's name for it.
        operation_id: OperationId,
    },
    /// A signal.
    Signal {
        /// Of this name.
        name: SignalName,
    },
    /// Something that its own code decides about, by the name that this has there.
    Other {
        /// Such as `condition`.
        what: String,
    },
    /// Its history can't be replayed now.
    Unknown {
        /// Why.
        reason: String,
    },
}
