//! What the guest knows of its operations.

use dacapo_model::event::{EventAttributes, TimeoutType};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::payload::Payload;

/// One operation, from the guest's side.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operation {
    /// Nothing has been delivered for it.
    Pending,
    /// Its outcome is recorded, among the inputs that were overtaken, and not
    /// delivered yet. To the guest it is pending; to the run it is over, so giving
    /// it up is not recorded.
    Ended,
    /// It has an outcome that the guest has not taken. Boxed: most operations of
    /// a long run are over, and need no room for one.
    Ready(Box<Result<Payload, Failure>>),
    /// The guest took its outcome, or gave it up.
    Over,
}

/// The outcome that an event gives an activity or a timer.
pub(super) fn outcome_of(attributes: EventAttributes) -> Option<Result<Payload, Failure>> {
    match attributes {
        EventAttributes::ActivityTaskCompleted { result, .. } => Some(Ok(result)),
        EventAttributes::TimerFired { .. } => Some(Ok(Payload::default())),
        EventAttributes::ActivityTaskFailed { failure, attempt, .. } => {
            Some(Err(activity_failure(attempt, failure)))
        }
        EventAttributes::ActivityTaskTimedOut { timeout_type, attempt, last_failure, .. } => {
            let what = match timeout_type {
                TimeoutType::StartToClose => "the start-to-close timeout of its last attempt",
                TimeoutType::ScheduleToClose => "its schedule-to-close timeout",
                TimeoutType::ScheduleToStart => "its schedule-to-start timeout",
                TimeoutType::Heartbeat => "the heartbeat timeout of its last attempt",
            };
            let mut timeout = Failure::new(
                FailureKind::Timeout,
                timeout_type.type_name(),
                format!("the activity ran out of {what}"),
            );
            if let Some(last_failure) = last_failure {
                timeout = timeout.caused_by(last_failure);
            }
            Some(Err(activity_failure(attempt, timeout)))
        }
        EventAttributes::ActivityTaskCanceled { failure: Some(failure), .. } => {
            let message = format!("the activity was cancelled: {}", failure.info.message);
            let outer = Failure::new(FailureKind::Activity, "ActivityFailure", message);
            Some(Err(outer.caused_by(failure)))
        }
        _ => None,
    }
}

/// The outcome of an operation that was given up because the run is to cancel.
pub(super) fn cancelled() -> Failure {
    Failure::new(FailureKind::Cancelled, "Cancelled", "the run was asked to cancel")
}

fn activity_failure(attempt: u32, cause: Failure) -> Failure {
    let message = format!("the activity failed in attempt {attempt}: {}", cause.info.message);
    Failure::new(FailureKind::Activity, "ActivityFailure", message).caused_by(cause)
}
