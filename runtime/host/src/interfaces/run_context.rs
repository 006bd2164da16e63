//! `dacapo:workflow/run-context`.

use dacapo_model::time::Timestamp;
use wasmtime::component::LinkerInstance;

use super::convert::{failure_to_guest, failure_values, nanos};
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
        "continued-failure" => instance.func_wrap(function, |store, (): ()| {
            let state: &WorkflowState = store.data();
            let failure = &state.chain.continued_failure;
            state.debt.values(failure.iter().flat_map(failure_values));
            Ok((failure.clone().map(failure_to_guest),))
        })?,
        "history-length" => instance.func_wrap(function, |store, (): ()| {
            Ok((store.data().conversation.cursor().history_size().events,))
        })?,
        "history-bytes" => instance.func_wrap(function, |store, (): ()| {
            Ok((store.data().conversation.cursor().history_size().bytes,))
        })?,
        "continue-as-new-suggested" => instance.func_wrap(function, |store, (): ()| {
            Ok((store.data().conversation.cursor().is_continue_as_new_suggested(),))
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// About what a digest or an id of a run takes as a text.
const ID_BYTES: usize = 64;

fn info(state: &WorkflowState) -> RunInfo {
    let cursor = state.conversation.cursor();
    let run_id = cursor.seen_run_id().unwrap_or(state.run.run_id);
    // The names, and the ids, which are of one length.
    let run = &state.run;
    let names = [run.namespace.as_str(), run.workflow_id.as_str(), &state.workflow_type];
    state.debt.values(names.into_iter().map(str::len).chain([ID_BYTES; 4]));
    RunInfo {
        namespace: state.run.namespace.to_string(),
        workflow_id: state.run.workflow_id.to_string(),
        run_id: run_id.to_string(),
        workflow_type: state.workflow_type.clone(),
        module_digest: state.run.module_digest.to_string(),
        started_at: cursor.started_at().as_nanos(),
        attempt: state.chain.attempt,
        // The first of a chain goes by what it passes as.
        first_run_id: state.chain.first_run_id.unwrap_or(run_id).to_string(),
        continued_from_run_id: state.continued_from.map(|run_id| run_id.to_string()),
        run_timeout: state.run_timeout.map(nanos),
        execution_timeout: state.execution_timeout.map(nanos),
        execution_deadline: state.chain.execution_deadline.map(Timestamp::as_nanos),
    }
}
