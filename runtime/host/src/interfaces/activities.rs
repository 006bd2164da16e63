//! `dacapo:workflow/activities`.

use dacapo_model::ids::OperationId;
use dacapo_model::limits::{CANCELLATION_GRACE_DEFAULT, CANCELLATION_GRACE_MAX};
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::convert::duration;
use crate::trap::Stop;
use crate::workflow::state::WorkflowState;

type Store<'a> = StoreContextMut<'a, WorkflowState>;

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    if function != "request-cancel" {
        return Ok(false);
    }
    instance.func_wrap(function, |store: Store<'_>, arguments: (u32, Option<u64>)| {
        Ok(request_cancel(&store, arguments)?)
    })?;
    Ok(true)
}

fn request_cancel(store: &Store<'_>, (operation, grace): (u32, Option<u64>)) -> Result<(), Stop> {
    let grace = grace.map_or(CANCELLATION_GRACE_DEFAULT, duration).min(CANCELLATION_GRACE_MAX);
    let mut cursor = store.data().conversation.cursor();
    Ok(cursor.request_cancel_activity(OperationId(operation), grace)?)
}
