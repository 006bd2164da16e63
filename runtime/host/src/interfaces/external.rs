//! `dacapo:workflow/external`.

use dacapo_model::ids::{RunId, SignalName, WorkflowId};
use dacapo_model::limits::FAILURE_MESSAGE_BYTES_MAX;
use dacapo_model::text::shown;
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::convert::checked_payload;
use crate::trap::Stop;
use crate::workflow::state::WorkflowState;

type Store<'a> = StoreContextMut<'a, WorkflowState>;

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "signal-external" => instance.func_wrap(
            function,
            |store: Store<'_>, arguments: (String, Option<String>, String, Vec<u8>)| {
                Ok((signal_external(&store, arguments)?,))
            },
        )?,
        "cancel-external" => instance.func_wrap(
            function,
            |store: Store<'_>, arguments: (String, Option<String>, String)| {
                Ok((cancel_external(&store, arguments)?,))
            },
        )?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn signal_external(
    store: &Store<'_>,
    (workflow_id, run_id, name, input): (String, Option<String>, String, Vec<u8>),
) -> Result<u32, Stop> {
    let misuse = |error: String| Stop::Misuse(format!("`signal-external`: {error}"));
    let workflow_id = WorkflowId::new(workflow_id).map_err(|error| misuse(error.to_string()))?;
    let run_id = parse_run_id(run_id).map_err(misuse)?;
    let name = SignalName::new(name).map_err(|error| misuse(error.to_string()))?;
    let state = store.data();
    let input = checked_payload("the signal's input", input, state)?;
    let mut cursor = state.conversation.cursor();
    Ok(cursor.signal_external(workflow_id, run_id, name, input)?.0)
}

fn cancel_external(
    store: &Store<'_>,
    (workflow_id, run_id, reason): (String, Option<String>, String),
) -> Result<u32, Stop> {
    let misuse = |error: String| Stop::Misuse(format!("`cancel-external`: {error}"));
    let workflow_id = WorkflowId::new(workflow_id).map_err(|error| misuse(error.to_string()))?;
    let run_id = parse_run_id(run_id).map_err(misuse)?;
    if reason.len() > FAILURE_MESSAGE_BYTES_MAX {
        let length = reason.len();
        return Err(misuse(format!(
            "the reason has {length} bytes; at most {FAILURE_MESSAGE_BYTES_MAX} are allowed"
        )));
    }
    let mut cursor = store.data().conversation.cursor();
    Ok(cursor.cancel_external(workflow_id, run_id, reason)?.0)
}

fn parse_run_id(run_id: Option<String>) -> Result<Option<RunId>, String> {
    let parse = |text: String| text.parse().map_err(|_| format!("`{}` is no run id", shown(&text)));
    run_id.map(parse).transpose()
}
