//! `dacapo:workflow/activity-context`.

use wasmtime::component::LinkerInstance;

use crate::activity::state::ActivityState;
use crate::bindings::dacapo::workflow::activity_context::AttemptInfo;

pub(super) fn define(
    instance: &mut LinkerInstance<'_, ActivityState>,
    function: &str,
) -> wasmtime::Result<bool> {
    if function != "info" {
        return Ok(false);
    }
    instance.func_wrap(function, |store, (): ()| Ok((info(store.data()),)))?;
    Ok(true)
}

fn info(state: &ActivityState) -> AttemptInfo {
    let task = &state.task;
    AttemptInfo {
        namespace: task.run.namespace.to_string(),
        workflow_id: task.run.workflow_id.to_string(),
        run_id: task.run.run_id.to_string(),
        activity_type: task.activity_type.to_string(),
        operation: task.operation_id.0,
        attempt: task.attempt,
        deadline: task.deadline.as_nanos(),
    }
}
