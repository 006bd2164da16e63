//! The two worlds: virtual for workflows, real for activities.

use dacapo_engine::guest::ModuleRejected;
use dacapo_model::code::ErrorCode;
use wasmtime::component::{Linker, LinkerInstance, ResourceAny, ResourceType};
use wasmtime::{Engine, StoreContextMut};

use super::{Interface, Refusal, World};
use crate::activity::state::ActivityState;
use crate::interfaces;
use crate::log::Stream;
use crate::trap::rejected;
use crate::wasi;
use crate::workflow::state::WorkflowState;

/// The one interface of ours that is for activities.
const ACTIVITY_CONTEXT: &str = "activity-context";

/// Everything is virtual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkflowWorld {
    /// For running.
    Running,
    /// For an instance that only lists its definitions: no operations.
    Inspected,
}

impl World for WorkflowWorld {
    type State = WorkflowState;

    fn is_linked(&self, _interface: Interface<'_>) -> bool {
        false
    }

    fn define(
        &self,
        instance: &mut LinkerInstance<'_, WorkflowState>,
        interface: Interface<'_>,
        function: &str,
    ) -> wasmtime::Result<bool> {
        match (interface, self) {
            (Interface::Wasi(interface), _) => wasi::define(instance, interface, function),
            (Interface::Ours(interface), Self::Running) => {
                interfaces::define_for_workflow(instance, interface, function)
            }
            (Interface::Ours(_), Self::Inspected) => Ok(false),
        }
    }

    fn define_resource(
        &self,
        instance: &mut LinkerInstance<'_, WorkflowState>,
        interface: Interface<'_>,
        resource: &str,
    ) -> wasmtime::Result<Option<ResourceType>> {
        match interface {
            Interface::Wasi(interface) => wasi::define_resource(instance, interface, resource),
            Interface::Ours(_) => Ok(None),
        }
    }

    fn defines_all_of(&self, interface: Interface<'_>) -> bool {
        let is_for_workflows = matches!(interface, Interface::Ours(it) if it != ACTIVITY_CONTEXT);
        *self == Self::Running && is_for_workflows
    }

    fn refusal(&self, interface: Interface<'_>) -> Refusal {
        match (self, interface) {
            (Self::Inspected, _) | (_, Interface::Ours(_)) => Refusal::Trap,
            // They only lead to a request or a socket, which is refused.
            (_, Interface::Wasi("http/types" | "sockets/instance-network")) => Refusal::Nothing,
            (_, Interface::Wasi(_)) => Refusal::Error,
        }
    }

    fn note_refusal(store: &mut StoreContextMut<'_, WorkflowState>, message: &str) {
        let state = store.data_mut();
        let line = format!("{message}\n");
        state.debt.value(line.len());
        let silent = state.conversation.cursor().is_replaying();
        state.log.write(Stream::Stderr, line.as_bytes(), silent);
    }

    fn substitute(
        store: &mut StoreContextMut<'_, WorkflowState>,
        wanted: ResourceType,
    ) -> wasmtime::Result<Option<ResourceAny>> {
        wasi::substitute(store, wanted)
    }

    fn reason(&self, interface: Interface<'_>) -> &'static str {
        match (self, interface) {
            (Self::Inspected, _) => {
                "`definitions` must not: it may only list names, and runs when a module is uploaded"
            }
            (Self::Running, Interface::Ours(ACTIVITY_CONTEXT)) => {
                "workflows must not: only an activity has an attempt to ask about"
            }
            (Self::Running, _) => {
                "workflows must not, since replay could not repeat it: move the call to an activity"
            }
        }
    }
}

/// The real world, as far as it is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActivityWorld;

impl ActivityWorld {
    /// With the families that [`World::is_linked`] speaks of.
    pub(crate) fn linker(engine: &Engine) -> Result<Linker<ActivityState>, ModuleRejected> {
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)
            .and_then(|()| wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker))
            .map_err(|error| rejected(ErrorCode::Internal, format!("{error:#}")))?;
        Ok(linker)
    }
}

impl World for ActivityWorld {
    type State = ActivityState;

    /// Files are among them, but an activity is given no directory; and sockets,
    /// but it may not connect them.
    fn is_linked(&self, interface: Interface<'_>) -> bool {
        let Interface::Wasi(interface) = interface else {
            return false;
        };
        let family = interface.split_once('/').map_or(interface, |(family, _)| family);
        matches!(family, "cli" | "clocks" | "filesystem" | "io" | "random" | "sockets")
            || matches!(interface, "http/types" | "http/outgoing-handler")
    }

    fn define(
        &self,
        instance: &mut LinkerInstance<'_, ActivityState>,
        interface: Interface<'_>,
        function: &str,
    ) -> wasmtime::Result<bool> {
        match interface {
            Interface::Wasi(_) => Ok(false),
            Interface::Ours(interface) => {
                interfaces::define_for_activity(instance, interface, function)
            }
        }
    }

    fn define_resource(
        &self,
        _instance: &mut LinkerInstance<'_, ActivityState>,
        _interface: Interface<'_>,
        _resource: &str,
    ) -> wasmtime::Result<Option<ResourceType>> {
        Ok(None)
    }

    fn defines_all_of(&self, interface: Interface<'_>) -> bool {
        interface == Interface::Ours(ACTIVITY_CONTEXT)
    }

    fn refusal(&self, _interface: Interface<'_>) -> Refusal {
        Refusal::Trap
    }

    fn note_refusal(_store: &mut StoreContextMut<'_, ActivityState>, _message: &str) {}

    fn substitute(
        _store: &mut StoreContextMut<'_, ActivityState>,
        _wanted: ResourceType,
    ) -> wasmtime::Result<Option<ResourceAny>> {
        Ok(None)
    }

    fn reason(&self, interface: Interface<'_>) -> &'static str {
        match interface {
            Interface::Wasi(_) => "this host does not provide",
            Interface::Ours(_) => "only workflows may: do it in the workflow",
        }
    }
}
