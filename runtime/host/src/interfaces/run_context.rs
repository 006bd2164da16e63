//! `dacapo:workflow/run-context`.

use wasmtime::component::LinkerInstance;

use crate::bindings::dacapo::workflow::run_context::RunInfo;
use crate::workflow::state::WorkflowState;

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "info" => instance.func_wrap(function, |store, (): ()| Ok((info(store.data()),)))?,
        "is-cancel-requested" => instance.func_wrap(function, |store, (): ()| {
            Ok((store.data().conversation.cursor().is_cancel_requested(),))
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn info(state: &WorkflowState) -> RunInfo {
    RunInfo {
        namespace: state.run.namespace.to_string(),
        workflow_id: state.run.workflow_id.to_string(),
        run_id: state.run.run_id.to_string(),
        workflow_type: state.workflow_type.clone(),
        module_digest: state.run.module_digest.to_string(),
        started_at: state.conversation.cursor().started_at().as_nanos(),
    }
}
