//! `dacapo:workflow/versions`.

use dacapo_model::ids::ChangeId;
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use crate::trap::Stop;
use crate::workflow::state::WorkflowState;

type Store<'a> = StoreContextMut<'a, WorkflowState>;

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "version" => instance
            .func_wrap(function, |store: Store<'_>, arguments: (String, u32, u32)| {
                Ok((version(&store, arguments)?,))
            })?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn version(store: &Store<'_>, (change_id, min, max): (String, u32, u32)) -> Result<u32, Stop> {
    let change_id =
        ChangeId::new(&change_id).map_err(|error| Stop::Misuse(format!("`version`: {error}")))?;
    if min > max {
        let problem = format!("`version` of change `{change_id}`: from {min} to {max} is nothing");
        return Err(Stop::Misuse(problem));
    }
    Ok(store.data().conversation.cursor().version(change_id, min, max)?)
}
