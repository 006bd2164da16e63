//! The guest could not go on, or is to try again.

use dacapo_model::event::EventAttributes;
use dacapo_model::execution::{Blocked, ExecutionStatus};
use dacapo_model::time::Timestamp;

use super::Refusal;
use crate::state::RunState;
use crate::transition::{StatusChange, Transition};

/// Blocks the run. It stays open; inputs are still recorded.
pub(super) fn fault(state: &mut RunState, blocked: Blocked, now: Timestamp) -> Transition {
    let mut transition = Transition::default();
    let attributes = EventAttributes::WorkflowTaskFailed {
        code: blocked.code.clone(),
        message: blocked.message.clone(),
    };
    transition.record(state, now, attributes);
    transition.status = Some(StatusChange {
        status: ExecutionStatus::Blocked,
        blocked: Some(blocked),
        closed_at: None,
    });
    transition
}

/// Lets a blocked run try again, from its history. Writes no event: nothing has
/// happened to the run yet.
pub(super) fn retry(state: &mut RunState) -> Result<Transition, Refusal> {
    if state.status != ExecutionStatus::Blocked {
        return Err(Refusal::NotBlocked);
    }
    state.status = ExecutionStatus::Running;
    let status = StatusChange { status: ExecutionStatus::Running, blocked: None, closed_at: None };
    Ok(Transition { status: Some(status), ..Transition::default() })
}
