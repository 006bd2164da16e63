//! The one place where wasmtime is configured. Guests can observe most of these
//! settings, so a change here is a change of behaviour that replay sees.

use std::num::NonZeroUsize;

use dacapo_model::limits::Limits;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use crate::config::{HostError, MEMORIES_MAX, MODULES_MAX, TABLES_MAX};
use crate::pool::Slots;

/// Stack of a guest's own code. A guest can observe where it ends.
const WASM_STACK_BYTES: usize = 512 * 1024;

/// The whole stack of a fiber. Host functions run on it as well.
const FIBER_STACK_BYTES: usize = 2 * 1024 * 1024;

/// Frames of a trap's backtrace.
const BACKTRACE_FRAMES: usize = 30;

/// Written pages that a slot keeps from one instance to the next, for each memory
/// and table, where the kernel can tell which pages were written. They are set
/// back in place; giving them to the kernel and taking them again costs twice
/// what a whole step of a workflow does (`dacapo-bench w1`). A program in Rust
/// writes some 60 KiB.
const KEEP_RESIDENT_BYTES: usize = 256 * 1024;

/// Makes the engine for all guests, workflows and activities alike: a module may
/// hold both, and is compiled once.
pub(crate) fn engine(limits: &Limits, slots: &Slots) -> Result<Engine, HostError> {
    let mut config = config();
    // Thousands of instances come and go: slots are reused.
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits, slots)?));
    Engine::new(&config).map_err(HostError::engine)
}

/// Makes an engine that compiles what [`engine`] runs, and has no room for instances.
pub(crate) fn compiling_engine() -> Result<Engine, HostError> {
    Engine::new(&config()).map_err(HostError::engine)
}

/// What is the same for both, which is all that compiled code depends on.
fn config() -> Config {
    let mut config = Config::new();

    // The same bits everywhere, on every processor.
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
    config.max_wasm_stack(WASM_STACK_BYTES);
    config.async_stack_size(FIBER_STACK_BYTES);

    // 32-bit memories, so that accesses need no bounds checks within a slot.
    config.wasm_memory64(false);

    // No guest has concurrent tasks (WASI 0.2 has none); calls cost half of
    // what they cost with the bookkeeping for them.
    config.concurrency_support(false);

    // Fuel rather than epochs: it runs out at the same instruction every time,
    // and a busy guest can be made to yield by it.
    config.consume_fuel(true);

    // Reports must not depend on an environment variable of the server.
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES));

    // Pages of a module's memory are shared until written.
    config.memory_init_cow(true);
    config
}

fn pool(limits: &Limits, slots: &Slots) -> Result<PoolingAllocationConfig, HostError> {
    let components = count("instances_max", slots.total())?;
    let memories = count(MEMORIES_MAX, limits.instance_memories_max)?;
    let tables = count(TABLES_MAX, limits.instance_tables_max)?;
    let modules = count(MODULES_MAX, limits.instance_modules_max)?;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(components)
        .total_stacks(count("instances_max", slots.stacks())?)
        // Each component may have as many as any may have: a pool with room
        // for a component is never too small for a part of it.
        .max_memories_per_component(memories)
        .total_memories(components.saturating_mul(memories))
        .max_core_instances_per_component(modules)
        .total_core_instances(components.saturating_mul(modules))
        .max_tables_per_component(tables)
        .total_tables(components.saturating_mul(tables))
        .max_memories_per_module(memories)
        .max_tables_per_module(tables)
        .max_memory_size(limits.instance_memory_bytes_max)
        .table_elements(limits.instance_table_elements_max);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
            .table_keep_resident(KEEP_RESIDENT_BYTES);
    }
    Ok(pool)
}

fn count(setting: &'static str, number: usize) -> Result<u32, HostError> {
    u32::try_from(number).map_err(|_| HostError::setting(setting, format!("{number} are too many")))
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    use super::*;

    #[test]
    fn what_one_engine_compiles_the_other_runs() {
        let limits = Limits::default();
        let slots = Slots::new(1, &limits).expect("room for one");
        let running = engine(&limits, &slots).expect("an engine");
        let compiling = compiling_engine().expect("an engine");
        let hash = |engine: &Engine| {
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(&running), hash(&compiling));
    }
}
