//! How a run is executed from now on.

use dacapo_model::event;
use dacapo_model::module::ModuleDigest;
use serde::Serialize;
use utoipa::ToSchema;

/// What was changed.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowExecutionOptionsUpdated {
    /// The code that the run is pinned to, and replayed with from its first event on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    module_digest: Option<ModuleDigest>,
}

impl From<event::WorkflowExecutionOptionsUpdated> for WorkflowExecutionOptionsUpdated {
    fn from(options: event::WorkflowExecutionOptionsUpdated) -> Self {
        Self { module_digest: options.module_digest }
    }
}
