//! Someone asks a run to cancel. The run decides what to do about it.

use dacapo_model::event::EventAttributes;
use dacapo_model::ids::RequestId;
use dacapo_model::time::Timestamp;

use super::Refusal;
use crate::state::RunState;
use crate::transition::Transition;

/// Records the first request; any later one has no effect.
pub(super) fn request(
    state: &mut RunState,
    reason: String,
    request_id: Option<RequestId>,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    if state.cancel_request.is_some() {
        return Err(Refusal::Stale);
    }
    let mut transition = Transition::default();
    let attributes = EventAttributes::WorkflowExecutionCancelRequested { reason, request_id };
    transition.record(state, now, attributes);
    Ok(transition)
}
