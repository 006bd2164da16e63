//! Updates: requests whose callers wait for the answer. One that is rejected
//! leaves no event.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::ids::{EventId, UpdateId, UpdateName};
use crate::payload::Payload;
use crate::update::Update;

/// The guest took an update on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateAccepted {
    /// By which a repeat is recognised, and the outcome is found.
    pub update_id: UpdateId,
    /// What it asks for.
    pub update_name: UpdateName,
    /// Its argument.
    #[serde(skip)]
    pub input: Payload,
}

impl From<Update> for UpdateAccepted {
    fn from(update: Update) -> Self {
        Self { update_id: update.id, update_name: update.name, input: update.input }
    }
}

/// The guest answered an update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateCompleted {
    /// Which update.
    pub update_id: UpdateId,
    /// Its `WorkflowExecutionUpdateAccepted`.
    pub accepted_event_id: EventId,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What it came to, unless it failed.
    #[serde(skip)]
    pub result: Payload,
}

impl UpdateCompleted {
    /// Records an outcome.
    pub fn new(
        update_id: UpdateId,
        accepted_event_id: EventId,
        outcome: Result<Payload, Failure>,
    ) -> Self {
        let (result, failure) = match outcome {
            Ok(result) => (result, None),
            Err(failure) => (Payload::default(), Some(failure)),
        };
        Self { update_id, accepted_event_id, failure, result }
    }
}
