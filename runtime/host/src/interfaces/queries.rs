//! `dacapo:workflow/queries`.

use dacapo_model::ids::QueryName;
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::convert::{checked_outcome, checked_payload};
use crate::bindings::dacapo::workflow::types::Failure;
use crate::trap::Stop;
use crate::workflow::state::WorkflowState;

type Store<'a> = StoreContextMut<'a, WorkflowState>;

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "respond-query" => instance.func_wrap(
            function,
            |store: Store<'_>, (id, answer): (String, Result<Vec<u8>, Failure>)| {
                let state = store.data();
                let answer = checked_outcome("the answer to a query", answer, state)?;
                state.conversation.cursor().respond_query(&id, answer).map_err(Stop::Call)?;
                Ok(())
            },
        )?,
        "publish" => {
            instance.func_wrap(function, |store: Store<'_>, (name, value): (String, Vec<u8>)| {
                let state = store.data();
                let name = QueryName::new(&name)
                    .map_err(|error| Stop::Misuse(format!("`publish`: {error}")))?;
                let value = checked_payload("a published value", value, state)?;
                state.conversation.cursor().publish(name, value).map_err(Stop::Call)?;
                Ok(())
            })?
        }
        _ => return Ok(false),
    }
    Ok(true)
}
