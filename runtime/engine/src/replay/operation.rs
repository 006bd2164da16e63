//! What the guest knows of its operations.

use dacapo_model::event::{EventAttributes, TimeoutType};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::payload::Payload;

use super::Cursor;

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

impl Cursor {
    /// Delivers how an operation ended.
    pub(super) fn deliver_end(&mut self, attributes: EventAttributes) {
        match attributes {
            EventAttributes::ActivityTaskCompleted { operation_id, result, .. } => {
                self.end(operation_id, Ok(result));
            }
            EventAttributes::TimerFired { operation_id, .. } => {
                if !self.passes_deadline(operation_id) {
                    self.end(operation_id, Ok(Payload::default()));
                }
            }
            EventAttributes::ActivityTaskFailed { operation_id, failure, attempt, .. } => {
                self.end(operation_id, Err(activity_failure(attempt, failure)));
            }
            EventAttributes::ActivityTaskTimedOut {
                operation_id,
                timeout_type,
                attempt,
                last_failure,
                ..
            } => {
                let failure =
                    activity_failure(attempt, timeout_failure(timeout_type, last_failure));
                self.end(operation_id, Err(failure));
            }
            EventAttributes::ActivityTaskCanceled {
                operation_id, failure: Some(failure), ..
            } => {
                let message = format!("the activity was cancelled: {}", failure.info.message);
                let outer = Failure::new(FailureKind::Activity, "ActivityFailure", message);
                self.end(operation_id, Err(outer.caused_by(failure)));
            }
            attributes => self.deliver_relation(attributes),
        }
    }
}

fn timeout_failure(timeout_type: TimeoutType, last_failure: Option<Failure>) -> Failure {
    let what = match timeout_type {
        TimeoutType::StartToClose => "the start-to-close timeout of its last attempt",
        TimeoutType::ScheduleToClose => "its schedule-to-close timeout",
        TimeoutType::ScheduleToStart => "its schedule-to-start timeout",
        TimeoutType::Heartbeat => "the heartbeat timeout of its last attempt",
    };
    let timeout = Failure::new(
        FailureKind::Timeout,
        timeout_type.type_name(),
        format!("the activity ran out of {what}"),
    );
    match last_failure {
        Some(last_failure) => timeout.caused_by(last_failure),
        None => timeout,
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
