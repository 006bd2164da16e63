//! How a run is changed from outside while it is open.

use serde::{Deserialize, Serialize};

use crate::module::ModuleDigest;

/// What holds for a run from now on. What is absent stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowExecutionOptionsUpdated {
    /// The code that the run, from its first event on, is replayed against. A
    /// replay of all that stands before this event has shown that it fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module_digest: Option<ModuleDigest>,
}
