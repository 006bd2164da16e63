//! `dacapo:workflow/operations`.

use std::time::Duration;

use dacapo_engine::replay::Delivery;
use dacapo_model::event::ActivityOptions;
use dacapo_model::ids::{OperationId, SignalName, TypeName};
use dacapo_model::limits::TIMER_MAX;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::convert::{self, Place, checked_payload, failure_to_guest};
use crate::bindings::dacapo::workflow::operations as guest;
use crate::bindings::dacapo::workflow::types::Failure;
use crate::trap::Stop;
use crate::workflow::state::{WorkflowState, about_to_wait, leave_off_the_record, resumed, woken};

type Store<'a> = StoreContextMut<'a, WorkflowState>;

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "start-activity" => instance.func_wrap(
            function,
            |store: Store<'_>, arguments: (String, Vec<u8>, guest::ActivityOptions)| {
                Ok((start_activity(&store, arguments, Place::Unnamed)?.0,))
            },
        )?,
        "start-timer" => instance.func_wrap(function, |store: Store<'_>, (after,): (u64,)| {
            Ok((start_timer(&store, after)?.0,))
        })?,
        "cancel" => instance.func_wrap(function, |store: Store<'_>, (operation,): (u32,)| {
            let mut cursor = store.data().conversation.cursor();
            cursor.cancel(OperationId(operation)).map_err(Stop::Call)?;
            Ok(())
        })?,
        "next" => instance.func_wrap_async(function, |store: Store<'_>, (): ()| {
            Box::new(async move { Ok((next(store).await?,)) })
        })?,
        "next-until" => {
            instance.func_wrap_async(function, |store: Store<'_>, (deadline,): (u64,)| {
                Box::new(async move { Ok((next_until(store, deadline).await?,)) })
            })?;
        }
        "try-next" => instance
            .func_wrap(function, |mut store: Store<'_>, (): ()| Ok((try_next(&mut store)?,)))?,
        "wait" => {
            instance.func_wrap_async(function, |store: Store<'_>, (operation,): (u32,)| {
                Box::new(async move { Ok((wait(store, OperationId(operation)).await?,)) })
            })?
        }
        "receive-signal" => {
            instance.func_wrap_async(function, |store: Store<'_>, (name,): (String,)| {
                Box::new(async move { Ok((receive_signal(store, &name).await?,)) })
            })?
        }
        "return-signal" => instance.func_wrap(function, |store: Store<'_>, (nth,): (u32,)| {
            let mut cursor = store.data().conversation.cursor();
            cursor.return_signal(nth).map_err(Stop::Call)?;
            Ok(())
        })?,
        "execute-activity" => instance.func_wrap_async(
            function,
            |store: Store<'_>, arguments: (String, Vec<u8>, guest::ActivityOptions)| {
                Box::new(async move {
                    let operation = start_activity(&store, arguments, Place::Unnamed)?;
                    Ok((wait(store, operation).await?,))
                })
            },
        )?,
        "sleep" => {
            instance.func_wrap_async(function, |store: Store<'_>, (duration,): (u64,)| {
                Box::new(async move {
                    let operation = start_timer(&store, duration)?;
                    Ok((wait(store, operation).await?.map(drop),))
                })
            })?
        }
        _ => return Ok(false),
    }
    Ok(true)
}

pub(super) fn start_activity(
    store: &Store<'_>,
    (activity_type, input, options): (String, Vec<u8>, guest::ActivityOptions),
    place: Place,
) -> Result<OperationId, Stop> {
    let state = store.data();
    let activity_type = TypeName::new(&activity_type)
        .map_err(|error| Stop::Misuse(format!("`start-activity`: {error}")))?;
    let input = checked_payload("the activity's input", input, state)?;
    let options: ActivityOptions = convert::activity_options(&activity_type, options, place)?;
    Ok(state.conversation.cursor().start_activity(activity_type, input, options)?)
}

fn start_timer(store: &Store<'_>, after: u64) -> Result<OperationId, Stop> {
    let mut cursor = store.data().conversation.cursor();
    let fire_at = cursor.now().after(Duration::from_nanos(after).min(TIMER_MAX));
    Ok(cursor.start_timer(fire_at)?)
}

async fn next(mut store: Store<'_>) -> wasmtime::Result<guest::Delivery> {
    let conversation = store.data().conversation.clone();
    leave_off_the_record(&mut store);
    about_to_wait(&store);
    let delivery = conversation.answer(|cursor| cursor.next()).await?;
    woken(&mut store)?;
    Ok(delivery_to_guest(delivery))
}

async fn next_until(
    mut store: Store<'_>,
    deadline: u64,
) -> wasmtime::Result<Option<guest::Delivery>> {
    let deadline = Timestamp::default().after(Duration::from_nanos(deadline));
    let conversation = store.data().conversation.clone();
    leave_off_the_record(&mut store);
    about_to_wait(&store);
    let before = conversation.cursor().history_size();
    let delivery = conversation.answer(|cursor| cursor.next_until(deadline)).await?;
    // A deadline that had passed took no input.
    if delivery.is_some() || conversation.cursor().history_size() != before {
        woken(&mut store)?;
    }
    Ok(delivery.map(delivery_to_guest))
}

fn try_next(store: &mut Store<'_>) -> wasmtime::Result<Option<guest::Delivery>> {
    let delivery = store.data().conversation.cursor().try_next();
    // Who is asked has been given what it needs when it was woken.
    if delivery.is_some() && !store.data().conversation.cursor().is_off_the_record() {
        resumed(store)?;
    }
    Ok(delivery.map(delivery_to_guest))
}

fn delivery_to_guest(delivery: Delivery) -> guest::Delivery {
    match delivery {
        Delivery::Completed { operation_id, outcome } => {
            guest::Delivery::Completed(guest::Completion {
                operation: operation_id.0,
                outcome: outcome_to_guest(outcome),
            })
        }
        Delivery::Signal { name, input } => guest::Delivery::Signal(guest::Signal {
            name: name.into(),
            input: input.into_bytes().into(),
        }),
        Delivery::Query { id, name, input } => guest::Delivery::Query(guest::Query {
            id,
            name: name.into(),
            input: input.into_bytes().into(),
        }),
        Delivery::Update(update) => guest::Delivery::Update(guest::Update {
            id: update.id.into(),
            name: update.name.into(),
            input: update.input.into_bytes().into(),
        }),
        Delivery::CancelRequested { reason } => guest::Delivery::CancelRequested(reason),
    }
}

async fn wait(
    mut store: Store<'_>,
    operation: OperationId,
) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
    let conversation = store.data().conversation.clone();
    about_to_wait(&store);
    let outcome = conversation.answer(|cursor| cursor.wait(operation)).await?;
    resumed(&mut store)?;
    Ok(outcome_to_guest(outcome))
}

async fn receive_signal(
    mut store: Store<'_>,
    name: &str,
) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
    let name = SignalName::new(name)
        .map_err(|error| Stop::Misuse(format!("`receive-signal`: {error}")))?;
    let conversation = store.data().conversation.clone();
    about_to_wait(&store);
    let received = conversation.answer(|cursor| cursor.receive_signal(&name)).await?;
    resumed(&mut store)?;
    Ok(outcome_to_guest(received))
}

fn outcome_to_guest(
    outcome: Result<Payload, dacapo_model::failure::Failure>,
) -> Result<Vec<u8>, Failure> {
    outcome.map(|result| result.into_bytes().into()).map_err(failure_to_guest)
}
