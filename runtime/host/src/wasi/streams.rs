//! Standard streams: output goes to the log, input has ended. Whoever waits for input
//! is woken by whatever is delivered to the run.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource};

use super::poll::Pollable;
use crate::log::Stream;
use crate::workflow::state::WorkflowState;

/// What a guest may write at once.
const WRITE_BYTES_MAX: u64 = 64 * 1024;

/// A handle of stdout or stderr.
pub(super) type OutputStream = Stream;

/// A handle of stdin.
#[derive(Debug)]
pub(super) struct InputStream;

/// The details of a failed operation. There are none: nothing fails.
#[derive(Debug)]
pub(super) struct IoError;

/// `wasi:io/streams.stream-error`.
#[derive(Debug, ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type StreamResult<T> = Result<T, StreamError>;

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    if let Some(method) = function.strip_prefix("[method]output-stream.") {
        return define_output(instance, function, method);
    }
    match function.strip_prefix("[method]input-stream.") {
        Some(method) => define_input(instance, function, method),
        None => Ok(false),
    }
}

fn define_output(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
    method: &str,
) -> wasmtime::Result<bool> {
    match method {
        "check-write" => instance.func_wrap(function, |_, (_,): (Resource<OutputStream>,)| {
            Ok((StreamResult::Ok(WRITE_BYTES_MAX),))
        })?,
        "write" | "blocking-write-and-flush" => instance.func_wrap(
            function,
            |mut store, (stream, bytes): (Resource<OutputStream>, Vec<u8>)| {
                write(&mut store, &stream, &bytes)?;
                Ok((StreamResult::Ok(()),))
            },
        )?,
        "write-zeroes" | "blocking-write-zeroes-and-flush" => instance.func_wrap(
            function,
            |mut store, (stream, length): (Resource<OutputStream>, u64)| {
                let length = usize::try_from(length.min(WRITE_BYTES_MAX))?;
                write(&mut store, &stream, &vec![0; length])?;
                Ok((StreamResult::Ok(()),))
            },
        )?,
        "flush" | "blocking-flush" => {
            instance.func_wrap(function, |_, (_,): (Resource<OutputStream>,)| {
                Ok((StreamResult::Ok(()),))
            })?;
        }
        "subscribe" => {
            instance.func_wrap(function, |mut store, (_,): (Resource<OutputStream>,)| {
                Ok((store.data_mut().table.push(Pollable::Always)?,))
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn define_input(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
    method: &str,
) -> wasmtime::Result<bool> {
    match method {
        "read" | "blocking-read" => {
            instance.func_wrap(function, |_, (_, _): (Resource<InputStream>, u64)| {
                Ok((StreamResult::<Vec<u8>>::Err(StreamError::Closed),))
            })?;
        }
        "skip" | "blocking-skip" => {
            instance.func_wrap(function, |_, (_, _): (Resource<InputStream>, u64)| {
                Ok((StreamResult::<u64>::Err(StreamError::Closed),))
            })?;
        }
        "subscribe" => {
            instance.func_wrap(function, |mut store, (_,): (Resource<InputStream>,)| {
                Ok((store.data_mut().table.push(Pollable::Delivery)?,))
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn write(
    store: &mut StoreContextMut<'_, WorkflowState>,
    stream: &Resource<OutputStream>,
    bytes: &[u8],
) -> wasmtime::Result<()> {
    let state = store.data_mut();
    state.debt.value(bytes.len());
    let stream = *state.table.get(stream)?;
    let silent = state.conversation.cursor().is_replaying();
    state.log.write(stream, bytes, silent);
    Ok(())
}
