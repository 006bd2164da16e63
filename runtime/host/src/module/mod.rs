//! Components: compiled once, kept in memory and on disk, checked, linked.

mod cache;
mod compile;
mod definitions;
mod ended;
mod inspect;
mod kept;
mod process;
mod refusals;
mod room;
mod size;
pub(crate) mod store;
mod survey;

use std::sync::Arc;

use dacapo_engine::guest::{ModuleLoadError, ModuleRejected};
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::Blocked;
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDefinitions;
use wasmtime::component::InstancePre;

pub use self::process::compile_module;

use crate::activity::state::ActivityState;
use crate::bindings::exports::dacapo::workflow::{activity, after_end, workflow};
use crate::trap::blocked;
use crate::workflow::state::WorkflowState;

/// A component that can be run.
pub(crate) struct Module {
    /// What its code takes of the memory.
    pub(crate) code_bytes: usize,
    /// Linear memory of an instance when it begins, at most.
    pub(crate) memory_bytes_at_first: usize,
    /// What its workflows may use.
    pub(crate) limits: Arc<Limits>,
    /// What it says it defines.
    pub(crate) definitions: ModuleDefinitions,
    /// Present if it exports workflows.
    pub(crate) workflow: Option<Linked<WorkflowState, workflow::GuestIndices>>,
    /// Where its workflows can be asked once they have returned, if they can.
    pub(crate) after_end: Option<after_end::GuestIndices>,
    /// Present if it exports activities.
    pub(crate) activity: Option<Linked<ActivityState, activity::GuestIndices>>,
}

/// A component with everything that it imports as one kind of instance.
pub(crate) struct Linked<T: 'static, E> {
    /// All that can be done before there is an instance.
    pub(crate) pre: InstancePre<T>,
    /// Where its exports are.
    pub(crate) exports: E,
}

/// Why a module can't be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// It breaks a rule.
    #[error(transparent)]
    Rejected(#[from] ModuleRejected),
    /// Its bytes can't be had.
    #[error(transparent)]
    Load(#[from] ModuleLoadError),
    /// The machine could not do it now.
    #[error("{0}")]
    Busy(String),
    /// The host failed.
    #[error("{0}")]
    Internal(String),
}

impl From<Unusable> for ModuleRejected {
    fn from(error: Unusable) -> Self {
        match error {
            Unusable::Rejected(rejected) => rejected,
            Unusable::Busy(message) => crate::trap::rejected(ErrorCode::Unavailable, message),
            other => crate::trap::rejected(ErrorCode::Internal, other.describe()),
        }
    }
}

impl From<Unusable> for Blocked {
    fn from(error: Unusable) -> Self {
        match error {
            Unusable::Rejected(rejected) => blocked(rejected.code, rejected.message),
            Unusable::Load(_) | Unusable::Busy(_) => {
                blocked(ErrorCode::ModuleUnavailable, error.describe())
            }
            Unusable::Internal(message) => blocked(ErrorCode::Internal, message),
        }
    }
}

impl Unusable {
    /// The whole chain of causes in one line.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Load(ModuleLoadError { source: Some(source), .. }) => format!("{self}: {source}"),
            Self::Load(ModuleLoadError { source: None, .. }) => format!("{self}: it is not stored"),
            other => other.to_string(),
        }
    }
}

/// Runs something that keeps a processor or a disk busy away from the tasks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unusable> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Unusable::Internal(format!("preparing the module failed: {error}")))
}
