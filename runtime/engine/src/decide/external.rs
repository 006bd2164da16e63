//! Requests of a run to runs that it did not start.

use dacapo_model::command::{CancelExternal, SignalExternal};
use dacapo_model::event::{
    EventAttributes, ExternalWorkflowExecutionCancelRequested, ExternalWorkflowExecutionSignaled,
    RequestCancelExternalWorkflowExecutionFailed, RequestCancelExternalWorkflowExecutionInitiated,
    SignalExternalWorkflowExecutionFailed, SignalExternalWorkflowExecutionInitiated,
};
use dacapo_model::failure::Failure;
use dacapo_model::ids::EventId;
use dacapo_model::time::Timestamp;

use super::Refusal;
use crate::state::{ExternalRequest, RunState};
use crate::transition::{Effect, Transition};

/// Records that another run is to be sent a signal.
pub(super) fn initiate_signal(
    transition: &mut Transition,
    state: &mut RunState,
    command: SignalExternal,
    now: Timestamp,
) {
    let SignalExternal { operation_id, workflow_id, run_id, signal_name, input } = command;
    let initiated = SignalExternalWorkflowExecutionInitiated {
        operation_id,
        workflow_id,
        run_id,
        signal_name,
        input,
    };
    let attributes = EventAttributes::SignalExternalWorkflowExecutionInitiated(Box::new(initiated));
    let initiated_event_id = transition.record(state, now, attributes);
    transition.effects.push(Effect::ReachExternal { initiated_event_id });
}

/// Records that another run is to be asked to cancel.
pub(super) fn initiate_cancel(
    transition: &mut Transition,
    state: &mut RunState,
    command: CancelExternal,
    now: Timestamp,
) {
    let CancelExternal { operation_id, workflow_id, run_id, first_run_id, reason, terminate } =
        command;
    let initiated = RequestCancelExternalWorkflowExecutionInitiated {
        operation_id,
        workflow_id,
        run_id,
        reason,
        child_initiated_event_id: None,
        first_run_id,
        terminate,
    };
    let attributes =
        EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(Box::new(initiated));
    let initiated_event_id = transition.record(state, now, attributes);
    transition.effects.push(Effect::ReachExternal { initiated_event_id });
}

/// The other run has recorded the request, or can't.
pub(super) fn reached(
    state: &mut RunState,
    initiated_event_id: EventId,
    outcome: Result<(), Failure>,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    let external = state.externals.get(&initiated_event_id).ok_or(Refusal::Stale)?;
    let operation_id = external.operation_id;
    let child_initiated_event_id = match external.request {
        ExternalRequest::CancelChild { child, .. } => Some(child),
        _ => None,
    };
    let is_signal = matches!(external.request, ExternalRequest::Signal { .. });
    let attributes =
        match (is_signal, outcome.map_err(Failure::bounded)) {
            (true, Ok(())) => EventAttributes::ExternalWorkflowExecutionSignaled(
                ExternalWorkflowExecutionSignaled { initiated_event_id, operation_id },
            ),
            (true, Err(failure)) => EventAttributes::SignalExternalWorkflowExecutionFailed(
                SignalExternalWorkflowExecutionFailed { initiated_event_id, operation_id, failure },
            ),
            (false, Ok(())) => EventAttributes::ExternalWorkflowExecutionCancelRequested(
                ExternalWorkflowExecutionCancelRequested {
                    initiated_event_id,
                    operation_id,
                    child_initiated_event_id,
                },
            ),
            (false, Err(failure)) => EventAttributes::RequestCancelExternalWorkflowExecutionFailed(
                RequestCancelExternalWorkflowExecutionFailed {
                    initiated_event_id,
                    operation_id,
                    child_initiated_event_id,
                    failure,
                },
            ),
        };
    let mut transition = Transition::default();
    transition.record(state, now, attributes);
    Ok(transition)
}
