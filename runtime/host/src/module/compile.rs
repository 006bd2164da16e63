//! From bytes to code.

use dacapo_engine::guest::ModuleRejected;
use dacapo_model::code::ErrorCode;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::trap::rejected;

/// What each WebAssembly binary begins with.
const MAGIC: &[u8] = b"\0asm";

/// What follows in a core module: its version, and the layer that modules are on.
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];

/// Compiles a component. Takes seconds for large ones.
pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, ModuleRejected> {
    check_header(bytes)?;
    Component::from_binary(engine, bytes).map_err(|error| {
        invalid(format!("the module is not a valid WebAssembly component: {error:#}"))
    })
}

/// The mistakes that people make get an answer of their own.
fn check_header(bytes: &[u8]) -> Result<(), ModuleRejected> {
    if bytes.is_empty() {
        return Err(invalid("the module is empty: send the bytes of a component"));
    }
    match bytes.strip_prefix(MAGIC) {
        None => Err(invalid("the module is not WebAssembly: it does not begin with `\\0asm`")),
        Some(rest) if rest.starts_with(CORE_MODULE) => Err(invalid(
            "the module is a core WebAssembly module, not a component: build it for \
             `wasm32-wasip2`, or wrap it with `wasm-tools component new`",
        )),
        Some(_) => Ok(()),
    }
}

fn invalid(message: impl Into<String>) -> ModuleRejected {
    rejected(ErrorCode::ModuleInvalid, message)
}
