//! `dacapo:workflow/diagnostics`.

use wasmtime::component::LinkerInstance;

use crate::workflow::state::WorkflowState;

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "is-observed" => instance.func_wrap(function, |store, (): ()| {
            let state: &WorkflowState = store.data();
            Ok((state.conversation.is_traced(),))
        })?,
        "note-position" => instance.func_wrap(function, |store, (position,): (String,)| {
            let state: &WorkflowState = store.data();
            state.debt.value(position.len());
            state.conversation.note_position(position);
            Ok(())
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}
