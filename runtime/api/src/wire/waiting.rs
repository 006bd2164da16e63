//! Where runs wait.

use dacapo_model::ids::{OperationId, RunId, SignalName, TypeName};
use dacapo_model::time::Timestamp;
use dacapo_service::operations;
use serde::Serialize;
use utoipa::ToSchema;

use super::run::RunStatus;

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
    /// Where in the code, if the module has names: one frame per line, the innermost first. Of a
    /// blocked run, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    backtrace: Option<String>,
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
            backtrace: waiting.backtrace,
        }
    }
}

impl From<operations::Awaited> for Awaited {
    fn from(awaited: operations::Awaited) -> Self {
        match awaited {
            operations::Awaited::Next => Self::Next,
            operations::Awaited::Activity { operation_id, activity_type, attempt } => {
                Self::Activity { operation_id, activity_type, attempt }
            }
            operations::Awaited::Timer { operation_id, fire_at } => {
                Self::Timer { operation_id, fire_at }
            }
            operations::Awaited::Operation { operation_id } => Self::Operation { operation_id },
            operations::Awaited::Signal { name } => Self::Signal { signal_name: name },
            operations::Awaited::Unknown { reason } => Self::Unknown { reason },
        }
    }
}
