//! `dacapo:workflow/task-queues`.

use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::convert::Place;
use super::operations::start_activity;
use crate::bindings::dacapo::workflow::task_queues as guest;
use crate::workflow::state::WorkflowState;

type Store<'a> = StoreContextMut<'a, WorkflowState>;
type Arguments = (String, Vec<u8>, guest::ActivityOptions, guest::TaskPlacement);

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    if function != "start-activity" {
        return Ok(false);
    }
    instance.func_wrap(function, |store: Store<'_>, arguments: Arguments| {
        let (activity_type, input, options, placement) = arguments;
        let activity = (activity_type, input, options);
        Ok((start_activity(&store, activity, Place::Queue(placement))?.0,))
    })?;
    Ok(true)
}
