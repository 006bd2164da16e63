//! Someone changes how a run is executed.

use dacapo_model::event::{EventAttributes, WorkflowExecutionOptionsUpdated};
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::module::ModuleDigest;
use dacapo_model::time::Timestamp;

use super::Refusal;
use crate::state::RunState;
use crate::transition::{StatusChange, Transition};

/// Pins the run to other code. A blocked run goes on: the replay that comes
/// before this has got past what blocked it.
pub(super) fn pin(
    state: &mut RunState,
    module_digest: ModuleDigest,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    if state.module_digest == module_digest {
        return Err(Refusal::Stale);
    }
    let mut transition = Transition::default();
    let options = WorkflowExecutionOptionsUpdated { module_digest: Some(module_digest) };
    transition.record(state, now, EventAttributes::WorkflowExecutionOptionsUpdated(options));
    if state.status == ExecutionStatus::Blocked {
        state.status = ExecutionStatus::Running;
    }
    // Also if the status stays: the summary shows which code it is.
    transition.status = Some(StatusChange { status: state.status, blocked: None, closed_at: None });
    Ok(transition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Input;
    use crate::decide::fixtures::*;

    const OTHER: ModuleDigest = ModuleDigest([2; 32]);

    fn moved() -> Input {
        Input::Move { module_digest: OTHER }
    }

    #[test]
    fn a_move_is_recorded_and_holds_for_the_runs_that_follow() {
        let mut state = with_timer();
        let transition = input(&mut state, 11, moved()).expect("the run is open");
        assert_eq!(
            *only_event(&transition),
            EventAttributes::WorkflowExecutionOptionsUpdated(WorkflowExecutionOptionsUpdated {
                module_digest: Some(OTHER),
            })
        );
        assert_eq!(state.module_digest, OTHER);
        assert_eq!(status(&transition).status, ExecutionStatus::Running);
        assert_eq!(state.pending_operations(), 1, "what is pending stays pending");
    }

    #[test]
    fn a_move_to_where_the_run_is_changes_nothing() {
        let mut state = with_timer();
        let here = Input::Move { module_digest: state.module_digest };
        assert_eq!(input(&mut state, 11, here), Err(Refusal::Stale));
    }

    #[test]
    fn a_blocked_run_that_is_moved_goes_on() {
        let mut state = with_timer();
        input(&mut state, 11, Input::GuestFault { blocked: trap() }).expect("the run is open");
        let transition = input(&mut state, 12, moved()).expect("the run is open");
        let change = status(&transition);
        assert_eq!((change.status, &change.blocked), (ExecutionStatus::Running, &None));
        assert_eq!(state.status, ExecutionStatus::Running);
    }

    #[test]
    fn a_closed_run_stays_where_it_is() {
        let mut state = begun();
        let terminate = Input::Terminate { reason: String::new() };
        input(&mut state, 11, terminate).expect("the run is open");
        assert_eq!(input(&mut state, 12, moved()), Err(Refusal::Closed));
    }
}
