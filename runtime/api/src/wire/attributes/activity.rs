//! What events about the control of activities hold.

use dacapo_model::event;
use dacapo_model::ids::{EventId, OperationId};
use serde::Serialize;
use utoipa::ToSchema;

/// A request to cancel an activity, whose end the workflow waits for.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivityTaskCancelRequested {
    /// Its `ActivityTaskScheduled`.
    #[schema(value_type = u64)]
    scheduled_event_id: EventId,
    /// The workflow's name for it.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// After so long it is stopped.
    grace_seconds: f64,
}

/// An operator's doing to an activity.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivityTaskControlled {
    /// Its `ActivityTaskScheduled`.
    #[schema(value_type = u64)]
    scheduled_event_id: EventId,
    /// The workflow's name for it.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// Why, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
}

impl From<event::ActivityTaskCancelRequested> for ActivityTaskCancelRequested {
    fn from(request: event::ActivityTaskCancelRequested) -> Self {
        Self {
            scheduled_event_id: request.scheduled_event_id,
            operation_id: request.operation_id,
            grace_seconds: request.grace.as_secs_f64(),
        }
    }
}

impl From<event::ActivityTaskPaused> for ActivityTaskControlled {
    fn from(paused: event::ActivityTaskPaused) -> Self {
        let event::ActivityTaskPaused { scheduled_event_id, operation_id, reason } = paused;
        Self { scheduled_event_id, operation_id, reason }
    }
}

impl From<event::ActivityTaskUnpaused> for ActivityTaskControlled {
    fn from(unpaused: event::ActivityTaskUnpaused) -> Self {
        let event::ActivityTaskUnpaused { scheduled_event_id, operation_id, reason } = unpaused;
        Self { scheduled_event_id, operation_id, reason }
    }
}

impl From<event::ActivityTaskReset> for ActivityTaskControlled {
    fn from(reset: event::ActivityTaskReset) -> Self {
        let event::ActivityTaskReset { scheduled_event_id, operation_id, reason, .. } = reset;
        Self { scheduled_event_id, operation_id, reason }
    }
}
