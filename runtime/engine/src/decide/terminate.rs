//! Someone ends a run without asking it.

use dacapo_model::event::EventAttributes;
use dacapo_model::time::Timestamp;

use crate::state::RunState;
use crate::transition::Transition;

/// Closes the run at once, whatever it is doing.
pub(super) fn terminate(state: &mut RunState, reason: String, now: Timestamp) -> Transition {
    let mut transition = Transition::default();
    transition.close(state, now, EventAttributes::WorkflowExecutionTerminated { reason });
    transition
}
