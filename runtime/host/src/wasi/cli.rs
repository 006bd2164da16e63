//! What a command would have: variables and arguments of the start request, and
//! streams. No terminal, and no way to leave but to return.

use wasmtime::component::{LinkerInstance, Resource};

use super::streams::InputStream;
use crate::log::Stream;
use crate::trap::Stop;
use crate::workflow::state::WorkflowState;

/// No workflow has one; the type has to exist.
#[derive(Debug)]
pub(super) struct TerminalInput;

/// No workflow has one; the type has to exist.
#[derive(Debug)]
pub(super) struct TerminalOutput;

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "get-environment" => instance.func_wrap(function, |store, (): ()| {
            let state: &WorkflowState = store.data();
            let variables = state.environment.iter();
            state.debt.values(variables.clone().flat_map(|(name, it)| [name.len(), it.len()]));
            let copied = variables.map(|(name, value)| (name.clone(), value.clone()));
            Ok((copied.collect::<Vec<_>>(),))
        })?,
        "get-arguments" => {
            instance.func_wrap(function, |store, (): ()| {
                let state: &WorkflowState = store.data();
                state.debt.values(state.arguments.iter().map(String::len));
                Ok((state.arguments.clone(),))
            })?;
        }
        "initial-cwd" => instance.func_wrap(function, |_, (): ()| Ok((None::<String>,)))?,
        "get-stdin" => instance.func_wrap(function, |mut store, (): ()| {
            Ok((store.data_mut().table.push(InputStream)?,))
        })?,
        "get-stdout" => instance.func_wrap(function, |mut store, (): ()| {
            Ok((store.data_mut().table.push(Stream::Stdout)?,))
        })?,
        "get-stderr" => instance.func_wrap(function, |mut store, (): ()| {
            Ok((store.data_mut().table.push(Stream::Stderr)?,))
        })?,
        "get-terminal-stdin" => {
            instance.func_wrap(function, |_, (): ()| Ok((None::<Resource<TerminalInput>>,)))?
        }
        "get-terminal-stdout" | "get-terminal-stderr" => {
            instance.func_wrap(function, |_, (): ()| Ok((None::<Resource<TerminalOutput>>,)))?
        }
        "exit" => instance.func_wrap(function, |_, (status,): (Result<(), ()>,)| {
            let status = if status.is_ok() { "success" } else { "failure" };
            Err::<(), _>(exited(status).into())
        })?,
        "exit-with-code" => instance.func_wrap(function, |_, (code,): (u8,)| {
            Err::<(), _>(exited(&format!("code {code}")).into())
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn exited(status: &str) -> Stop {
    Stop::Exited { status: status.to_owned() }
}
