//! `dacapo:workflow/side-effects`.

use dacapo_engine::replay::{CallError, Cursor};
use dacapo_model::ids::ValueName;
use dacapo_model::payload::Payload;
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
        "recorded-value" => {
            instance.func_wrap(function, |store: Store<'_>, (name,): (String,)| {
                Ok((value(&store, &name, Cursor::recorded_value)?,))
            })?
        }
        "latest-value" => {
            instance.func_wrap(function, |store: Store<'_>, (name,): (String,)| {
                Ok((value(&store, &name, Cursor::latest_value)?,))
            })?
        }
        "record-value" => instance
            .func_wrap(function, |store: Store<'_>, arguments: (String, Vec<u8>)| {
                Ok(record(&store, arguments)?)
            })?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn value(
    store: &Store<'_>,
    name: &str,
    ask: impl FnOnce(&mut Cursor, ValueName) -> Result<Option<Payload>, CallError>,
) -> Result<Option<Vec<u8>>, Stop> {
    let state = store.data();
    let value = ask(&mut state.conversation.cursor(), checked_name(name)?)?;
    state.debt.values(value.as_ref().map(Payload::len));
    Ok(value.map(|value| value.into_bytes().into()))
}

fn record(store: &Store<'_>, (name, value): (String, Vec<u8>)) -> Result<(), Stop> {
    let state = store.data();
    let name = checked_name(&name)?;
    let value = checked_payload("the recorded value", value, state)?;
    Ok(state.conversation.cursor().record_value(name, value)?)
}

fn checked_name(name: &str) -> Result<ValueName, Stop> {
    ValueName::new(name).map_err(|error| Stop::Misuse(error.to_string()))
}
