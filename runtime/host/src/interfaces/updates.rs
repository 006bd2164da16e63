//! `dacapo:workflow/updates`.

use dacapo_model::ids::UpdateId;
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::convert::{checked_outcome, failure_from_guest};
use crate::bindings::dacapo::workflow::types::Failure;
use crate::trap::Stop;
use crate::workflow::state::{WorkflowState, resumed};

type Store<'a> = StoreContextMut<'a, WorkflowState>;

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "accept-update" => {
            instance.func_wrap(function, |mut store: Store<'_>, (id,): (String,)| {
                let id = update_id("accept-update", &id)?;
                store.data().conversation.cursor().accept_update(&id).map_err(Stop::Call)?;
                // From here on it is an activation like any other.
                resumed(&mut store)
            })?;
        }
        "reject-update" => {
            instance.func_wrap(
                function,
                |store: Store<'_>, (id, failure): (String, Failure)| {
                    let state = store.data();
                    let id = update_id("reject-update", &id)?;
                    let failure = failure_from_guest(failure, &state.limits);
                    state.conversation.cursor().reject_update(&id, failure).map_err(Stop::Call)?;
                    Ok(())
                },
            )?;
        }
        "complete-update" => instance.func_wrap(
            function,
            |store: Store<'_>, (id, outcome): (String, Result<Vec<u8>, Failure>)| {
                let state = store.data();
                let id = update_id("complete-update", &id)?;
                let outcome = checked_outcome("the result of an update", outcome, state)?;
                state.conversation.cursor().complete_update(&id, outcome).map_err(Stop::Call)?;
                Ok(())
            },
        )?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn update_id(function: &str, id: &str) -> Result<UpdateId, Stop> {
    UpdateId::new(id).map_err(|error| Stop::Misuse(format!("`{function}`: {error}")))
}
