//! The virtual WASI 0.2 of workflows. What it answers is the same on every
//! replay; what could not be is not answered.

mod cli;
mod clocks;
mod filesystem;
mod poll;
pub(crate) mod random;
mod streams;

use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource, ResourceAny, ResourceType};

use self::poll::Pollable;
use self::streams::{InputStream, IoError, OutputStream};
use crate::workflow::state::WorkflowState;

/// Defines a function of `wasi:<interface>`. False if calling it is refused.
pub(crate) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    interface: &str,
    function: &str,
) -> wasmtime::Result<bool> {
    match interface {
        "clocks/monotonic-clock" => clocks::define_monotonic(instance, function),
        "clocks/wall-clock" => clocks::define_wall(instance, function),
        "io/poll" => poll::define(instance, function),
        "io/streams" => streams::define(instance, function),
        "random/random" | "random/insecure" | "random/insecure-seed" => {
            random::define(instance, function)
        }
        "cli/environment"
        | "cli/exit"
        | "cli/stdin"
        | "cli/stdout"
        | "cli/stderr"
        | "cli/terminal-stdin"
        | "cli/terminal-stdout"
        | "cli/terminal-stderr" => cli::define(instance, function),
        "filesystem/preopens" => filesystem::define(instance, function),
        _ => Ok(false),
    }
}

/// Defines a resource of `wasi:<interface>`. None if no workflow ever has one.
pub(crate) fn define_resource(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    interface: &str,
    resource: &str,
) -> wasmtime::Result<Option<ResourceType>> {
    match (interface, resource) {
        ("io/poll", "pollable") => in_table::<Pollable>(instance, resource),
        ("io/streams", "input-stream") => in_table::<InputStream>(instance, resource),
        ("io/streams", "output-stream") => in_table::<OutputStream>(instance, resource),
        ("io/error", "error") => in_table::<IoError>(instance, resource),
        ("cli/terminal-input", "terminal-input") => {
            in_table::<cli::TerminalInput>(instance, resource)
        }
        ("cli/terminal-output", "terminal-output") => {
            in_table::<cli::TerminalOutput>(instance, resource)
        }
        ("filesystem/types", "descriptor") => {
            in_table::<filesystem::Descriptor>(instance, resource)
        }
        _ => Ok(None),
    }
}

/// A stream for the body of a request that is never sent.
pub(crate) fn substitute(
    store: &mut StoreContextMut<'_, WorkflowState>,
    wanted: ResourceType,
) -> wasmtime::Result<Option<ResourceAny>> {
    if wanted != ResourceType::host::<OutputStream>() {
        return Ok(None);
    }
    let stream = store.data_mut().table.push(OutputStream::Nowhere)?;
    Ok(Some(ResourceAny::try_from_resource(stream, store)?))
}

/// A resource whose values live in the instance's table.
fn in_table<R: Send + 'static>(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    name: &str,
) -> wasmtime::Result<Option<ResourceType>> {
    let host_type = ResourceType::host::<R>();
    let drop = |mut store: StoreContextMut<'_, WorkflowState>, index| {
        store.data_mut().table.delete(Resource::<R>::new_own(index))?;
        Ok(())
    };
    instance.resource(name, host_type, drop)?;
    Ok(Some(host_type))
}
