//! Waiting without an SDK: `std::thread::sleep` and its kin end up here.
//!
//! A pollable only holds a deadline. Nothing is recorded until the guest really
//! waits; then one durable timer is started, for the earliest deadline.

use dacapo_model::time::Timestamp;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource};

use crate::trap::Stop;
use crate::workflow::state::{WorkflowState, about_to_wait, resumed};

/// What a guest can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pollable {
    /// Ready now: the streams of a workflow never make it wait.
    Always,
    /// Ready at a time.
    At(Timestamp),
}

impl Pollable {
    fn is_ready(self, now: Timestamp) -> bool {
        match self {
            Self::Always => true,
            Self::At(deadline) => deadline <= now,
        }
    }
}

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "poll" => {
            instance.func_wrap_async(
                function,
                |store, (handles,): (Vec<Resource<Pollable>>,)| {
                    Box::new(async move { Ok((poll(store, &handles).await?,)) })
                },
            )?;
        }
        "[method]pollable.block" => {
            instance.func_wrap_async(function, |store, (handle,): (Resource<Pollable>,)| {
                Box::new(async move { poll(store, &[handle]).await.map(drop) })
            })?;
        }
        "[method]pollable.ready" => {
            instance.func_wrap(function, |store, (handle,): (Resource<Pollable>,)| {
                let now = store.data().conversation.cursor().now();
                Ok((store.data().table.get(&handle)?.is_ready(now),))
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Waits until one is ready, and answers the positions of those that are.
async fn poll(
    mut store: StoreContextMut<'_, WorkflowState>,
    handles: &[Resource<Pollable>],
) -> wasmtime::Result<Vec<u32>> {
    store.data().debt.value(size_of_val(handles));
    let pollables: Vec<Pollable> = handles
        .iter()
        .map(|handle| store.data().table.get(handle).copied())
        .collect::<Result<_, _>>()?;
    let now = store.data().conversation.cursor().now();
    let ready = ready(&pollables, now);
    if !ready.is_empty() {
        return Ok(ready);
    }
    let deadline = earliest(&pollables).ok_or_else(|| {
        Stop::Misuse("`wasi:io/poll#poll` was called with nothing to wait for".to_owned())
    })?;
    let conversation = store.data().conversation.clone();
    let timer = conversation.cursor().start_timer(deadline).map_err(Stop::Call)?;
    about_to_wait(&store);
    conversation.answer(|cursor| cursor.wait_undisturbed(timer)).await?;
    resumed(&mut store)?;
    // The timer has fired, so the deadline has passed, whatever the clock of the
    // node that recorded it said.
    let now = conversation.cursor().now().max(deadline);
    Ok(self::ready(&pollables, now))
}

fn ready(pollables: &[Pollable], now: Timestamp) -> Vec<u32> {
    (0..)
        .zip(pollables)
        .filter(|(_, pollable)| pollable.is_ready(now))
        .map(|(position, _)| position)
        .collect()
}

fn earliest(pollables: &[Pollable]) -> Option<Timestamp> {
    pollables
        .iter()
        .filter_map(|pollable| match pollable {
            Pollable::Always => None,
            Pollable::At(deadline) => Some(*deadline),
        })
        .min()
}
