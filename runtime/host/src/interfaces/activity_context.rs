//! `dacapo:workflow/activity-context`.

use dacapo_engine::guest::AttemptSignals;
use dacapo_model::limits::HEARTBEAT_DETAILS_BYTES_MAX;
use dacapo_model::payload::Payload;
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::convert::duration;
use crate::activity::state::ActivityState;
use crate::bindings::dacapo::workflow::activity_context as guest;
use crate::trap::Stop;

type Store<'a> = StoreContextMut<'a, ActivityState>;

pub(super) fn define(
    instance: &mut LinkerInstance<'_, ActivityState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "info" => {
            instance.func_wrap(function, |store: Store<'_>, (): ()| Ok((info(store.data()),)))?;
        }
        "heartbeat" => {
            instance.func_wrap(function, |store: Store<'_>, (details,): (Option<Vec<u8>>,)| {
                Ok((heartbeat(store.data(), details)?,))
            })?;
        }
        "heartbeat-details" => instance.func_wrap(function, |store: Store<'_>, (): ()| {
            let details = store.data().task.heartbeat_details.as_ref();
            Ok((details.map(|details| details.as_bytes().to_vec()),))
        })?,
        "signals" => instance.func_wrap(function, |store: Store<'_>, (): ()| {
            Ok((signals_to_guest(store.data().link.signals()),))
        })?,
        "wait-cancel-requested" => {
            instance.func_wrap_async(function, |store: Store<'_>, (timeout,): (u64,)| {
                Box::new(async move {
                    let link = store.data().link.clone();
                    let asked = tokio::time::timeout(duration(timeout), link.cancel_requested());
                    Ok((asked.await.is_ok(),))
                })
            })?;
        }
        "complete-later" => instance.func_wrap_async(function, |store: Store<'_>, (): ()| {
            Box::new(async move {
                let link = store.data().link.clone();
                Ok((link
                    .complete_later()
                    .await
                    .map_err(|failure| Stop::Misuse(failure.info.message))?,))
            })
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn info(state: &ActivityState) -> guest::AttemptInfo {
    let task = &state.task;
    guest::AttemptInfo {
        namespace: task.run.namespace.to_string(),
        workflow_id: task.run.workflow_id.to_string(),
        run_id: task.run.run_id.to_string(),
        activity_type: task.activity_type.to_string(),
        operation: task.operation_id.0,
        attempt: task.attempt,
        deadline: task.deadline.as_nanos(),
    }
}

fn heartbeat(
    state: &ActivityState,
    details: Option<Vec<u8>>,
) -> Result<guest::AttemptSignals, Stop> {
    if let Some(bytes) = details.as_ref().map(Vec::len)
        && bytes > HEARTBEAT_DETAILS_BYTES_MAX
    {
        return Err(Stop::DetailsTooLarge { bytes, max: HEARTBEAT_DETAILS_BYTES_MAX });
    }
    let secrets = state.secrets.redaction();
    let details = details.map(|details| secrets.bytes(&details).unwrap_or(details));
    state.link.heartbeat(details.map(Payload::from));
    Ok(signals_to_guest(state.link.signals()))
}

fn signals_to_guest(signals: AttemptSignals) -> guest::AttemptSignals {
    guest::AttemptSignals { cancel_requested: signals.cancel_requested, paused: signals.paused }
}
