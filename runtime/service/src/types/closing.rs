//! How a run ended.

use dacapo_model::event::EventAttributes;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::RunId;
use dacapo_model::time::Timestamp;

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Closing {
    /// Where it stands.
    pub status: ExecutionStatus,
    /// The last event: holds the result or the failure.
    pub attributes: EventAttributes,
    /// When.
    pub closed_at: Timestamp,
}

impl Closing {
    /// The run that follows, started in the commit that closed this one.
    pub fn next_run(&self) -> Option<RunId> {
        match &self.attributes {
            // It has ended for those who wait: somebody went back to another point.
            EventAttributes::WorkflowExecutionTerminated { .. } => None,
            other => other.next_run(),
        }
    }
}
