//! What the events of updates hold.

use dacapo_model::event;
use dacapo_model::ids::{EventId, UpdateId, UpdateName};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::failure::Failure;
use crate::wire::payload::{self, RawJson};

/// An update that the workflow took on.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowExecutionUpdateAccepted {
    /// By which a repeat is recognised, and the outcome is found.
    #[schema(value_type = String)]
    update_id: UpdateId,
    /// What it asks for.
    #[schema(value_type = String)]
    update_name: UpdateName,
    /// Its argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_base64: Option<String>,
}

/// The outcome of an update.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowExecutionUpdateCompleted {
    /// Which update.
    #[schema(value_type = String)]
    update_id: UpdateId,
    /// Its `WorkflowExecutionUpdateAccepted`.
    #[schema(value_type = u64)]
    accepted_event_id: EventId,
    /// What it came to, unless it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_base64: Option<String>,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

impl From<event::UpdateAccepted> for WorkflowExecutionUpdateAccepted {
    fn from(accepted: event::UpdateAccepted) -> Self {
        let (input, input_base64) = payload::embed(&accepted.input);
        let event::UpdateAccepted { update_id, update_name, .. } = accepted;
        Self { update_id, update_name, input, input_base64 }
    }
}

impl From<event::UpdateCompleted> for WorkflowExecutionUpdateCompleted {
    fn from(completed: event::UpdateCompleted) -> Self {
        let event::UpdateCompleted { update_id, accepted_event_id, failure, result } = completed;
        let (result, result_base64) = match &failure {
            None => payload::embed(&result),
            Some(_) => (None, None),
        };
        let failure = failure.map(Failure::from);
        Self { update_id, accepted_event_id, result, result_base64, failure }
    }
}
