//! Where a run waits.

use dacapo_model::code::ErrorCode;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{OperationId, RunId, SignalName, TypeName, WorkflowId};
use dacapo_model::time::Timestamp;
use tokio::sync::oneshot;

use super::RunRef;
use super::locate::{Located, locate, no_answer};
use crate::Runtime;
use crate::error::{Result, ServiceError};
use crate::run::{Message, deliver};

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

impl Runtime {
    /// Where an open run waits, by a replay of its history. The run is not disturbed.
    pub async fn describe_waiting(&self, run: &RunRef) -> Result<WaitingDescription> {
        self.shared.admit()?;
        self.confirmed(run, self.describe_located_waiting(run)).await
    }

    async fn describe_located_waiting(&self, run: &RunRef) -> Result<WaitingDescription> {
        loop {
            let open = match locate(&self.shared, run).await? {
                Located::Open(open) => open,
                Located::Closed(execution) => {
                    let run_id = execution.key.run_id;
                    let message =
                        format!("run {run_id} is closed, so it waits for nothing any more");
                    return Err(
                        ServiceError::new(ErrorCode::RunClosed, message).with("run_id", run_id)
                    );
                }
            };
            let (answer, answered) = oneshot::channel();
            if deliver(&self.shared, &open, Message::Trace { answer }).await.is_err() {
                continue;
            }
            match answered.await {
                Ok(description) => return description,
                // It closed before it came to this message: look again.
                Err(_) if self.shared.registry.by_run(open.key.run_id).is_none() => {}
                Err(_) => return Err(no_answer()),
            }
        }
    }
}
