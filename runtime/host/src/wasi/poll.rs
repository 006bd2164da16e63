//! Waiting without an SDK: `std::thread::sleep` and its kin end up here.
//!
//! A pollable only holds a deadline. Nothing is recorded until the guest really
//! waits; then one durable timer is started, for the earliest deadline.
//!
//! The pollable of stdin stands for whatever is delivered to the run, which the guest
//! then takes with `operations.try-next`. So a scheduler that knows timers and streams
//! only, such as that of a language, is woken by everything that it can wait for.

use dacapo_engine::replay::Cursor;
use dacapo_model::time::Timestamp;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource};

use crate::trap::Stop;
use crate::workflow::state::{WorkflowState, about_to_wait, leave_off_the_record, resumed, woken};

/// What a guest can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pollable {
    /// Ready now: the streams of a workflow never make it wait.
    Always,
    /// Ready at a time.
    At(Timestamp),
    /// Ready while something was delivered that the guest has not taken.
    Delivery,
}

impl Pollable {
    fn is_ready(self, cursor: &mut Cursor) -> bool {
        match self {
            Self::Always => true,
            Self::At(deadline) => deadline <= cursor.now(),
            Self::Delivery => cursor.has_next(),
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
                let state = store.data();
                let pollable = *state.table.get(&handle)?;
                Ok((pollable.is_ready(&mut state.conversation.cursor()),))
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
    let conversation = store.data().conversation.clone();
    let ready_now = ready(&pollables, &mut conversation.cursor());
    if !ready_now.is_empty() {
        return Ok(ready_now);
    }
    let deadline = earliest(&pollables);
    if pollables.contains(&Pollable::Delivery) {
        leave_off_the_record(&mut store);
        about_to_wait(&store);
        conversation.answer(|cursor| cursor.wait_until(deadline)).await?;
        woken(&mut store)?;
        return Ok(ready(&pollables, &mut conversation.cursor()));
    }
    let deadline = deadline.ok_or_else(|| {
        Stop::Misuse("`wasi:io/poll#poll` was called with nothing to wait for".to_owned())
    })?;
    let timer = conversation.cursor().start_timer(deadline).map_err(Stop::Call)?;
    about_to_wait(&store);
    conversation.answer(|cursor| cursor.wait_undisturbed(timer)).await?;
    resumed(&mut store)?;
    // The timer has fired, so the deadline has passed, whatever the clock of the
    // node that recorded it said.
    let is_due = |pollable: &Pollable| matches!(pollable, Pollable::At(at) if *at <= deadline);
    let mut cursor = conversation.cursor();
    Ok(positions(&pollables, |pollable| is_due(pollable) || pollable.is_ready(&mut cursor)))
}

fn ready(pollables: &[Pollable], cursor: &mut Cursor) -> Vec<u32> {
    positions(pollables, |pollable| pollable.is_ready(cursor))
}

fn positions(pollables: &[Pollable], mut is: impl FnMut(&Pollable) -> bool) -> Vec<u32> {
    let numbered = (0..).zip(pollables);
    numbered.filter(|(_, pollable)| is(pollable)).map(|(position, _)| position).collect()
}

fn earliest(pollables: &[Pollable]) -> Option<Timestamp> {
    pollables
        .iter()
        .filter_map(|pollable| match pollable {
            Pollable::Always | Pollable::Delivery => None,
            Pollable::At(deadline) => Some(*deadline),
        })
        .min()
}
