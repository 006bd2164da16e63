//! What the host functions of a workflow work on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::guest::{Room, RunContext};
use dacapo_model::event::{Chain, WorkflowExecutionStarted};
use dacapo_model::ids::RunId;
use dacapo_model::limits::Limits;
use wasmtime::component::ResourceTable;
use wasmtime::{AsContextMut, Engine, Store, StoreContextMut, WasmBacktrace};

use super::conversation::Conversation;
use super::debt::{Debt, Hook};
use super::memory::Memory;
use crate::log::GuestLog;
use crate::trap::frames;
use crate::wasi::random::Random;

/// Handles that one guest may hold.
const HANDLES_MAX: usize = 10_000;

/// Fuel between two points where a busy guest yields to others: a few
/// milliseconds.
pub(crate) const FUEL_BETWEEN_YIELDS: u64 = 5_000_000;

/// Bytes of a call's arguments besides its payload: names, options, the frame of
/// a failure.
const CALL_BYTES_SPARE: usize = 1024 * 1024;

/// The data of a workflow's store.
pub(crate) struct WorkflowState {
    pub(crate) conversation: Arc<Conversation>,
    pub(crate) run: Arc<RunContext>,
    pub(crate) workflow_type: String,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) arguments: Vec<String>,
    pub(crate) continued_from: Option<RunId>,
    pub(crate) run_timeout: Option<Duration>,
    pub(crate) execution_timeout: Option<Duration>,
    pub(crate) chain: Chain,
    pub(crate) table: ResourceTable,
    pub(crate) random: Random,
    /// The random numbers as they were before the guest got something that no
    /// history tells of. A replay does not use any up for it.
    random_before: Option<Random>,
    pub(crate) memory: Memory,
    pub(crate) debt: Debt,
    pub(crate) log: GuestLog,
    pub(crate) limits: Arc<Limits>,
}

impl WorkflowState {
    pub(crate) fn new(
        conversation: Arc<Conversation>,
        run: Arc<RunContext>,
        limits: Arc<Limits>,
        room: Arc<dyn Room>,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        Self {
            conversation,
            workflow_type: String::new(),
            environment: BTreeMap::new(),
            arguments: Vec::new(),
            continued_from: None,
            run_timeout: None,
            execution_timeout: None,
            chain: Chain::default(),
            table,
            random: Random::new(run.run_id),
            random_before: None,
            memory: Memory::new(&limits, room),
            debt: Debt::default(),
            log: GuestLog::of_workflow(Arc::clone(&run), limits.log_bytes_max),
            run,
            limits,
        }
    }

    /// Takes what the start request fixed.
    pub(super) fn started(&mut self, started: &WorkflowExecutionStarted) {
        self.workflow_type = started.workflow_type.to_string();
        self.environment = started.environment.clone();
        self.arguments = started.arguments.clone();
        self.continued_from = started.continued_from;
        self.run_timeout = started.options.run_timeout;
        self.execution_timeout = started.options.execution_timeout;
        self.chain = started.chain.clone();
        self.pass_as();
    }

    /// Takes note of whom the run passes as: random numbers are that run's.
    fn pass_as(&mut self) {
        let run_id = self.conversation.cursor().seen_run_id().unwrap_or(self.run.run_id);
        self.random.switch_to(run_id);
    }
}

/// A store for one instance, with the fuel of its first activation.
pub(crate) fn new_store(
    engine: &Engine,
    state: WorkflowState,
) -> wasmtime::Result<Store<WorkflowState>> {
    let fuel = state.limits.activation_fuel;
    let call_bytes = call_bytes_max(&state.limits);
    let mut store = Store::new(engine, state);
    store.limiter_async(|state| &mut state.memory);
    store.fuel_async_yield_interval(Some(FUEL_BETWEEN_YIELDS))?;
    store.set_fuel(fuel)?;
    store.set_hostcall_fuel(call_bytes);
    store.call_hook_async(Hook);
    Ok(store)
}

/// What one call may make the host copy.
pub(crate) fn call_bytes_max(limits: &Limits) -> usize {
    limits.payload_bytes_max.saturating_add(CALL_BYTES_SPARE)
}

/// A new activation: the guest waited, and something was delivered. Each of them
/// took one recorded input, so a guest can't get fuel for nothing; and it gets
/// it at the same calls on replay.
pub(crate) fn resumed(store: &mut StoreContextMut<'_, WorkflowState>) -> wasmtime::Result<()> {
    let fuel = store.data().limits.activation_fuel;
    refill(store, fuel)
}

/// The guest has a query, or an update to decide about.
pub(crate) fn enter_off_the_record(
    store: &mut StoreContextMut<'_, WorkflowState>,
) -> wasmtime::Result<()> {
    let state = store.data_mut();
    state.random_before = Some(state.random.clone());
    let fuel = state.limits.query_fuel;
    refill(store, fuel)
}

/// The guest has waited for anything, and is told of something.
pub(crate) fn woken(store: &mut StoreContextMut<'_, WorkflowState>) -> wasmtime::Result<()> {
    if store.data().conversation.cursor().is_off_the_record() {
        enter_off_the_record(store)
    } else {
        resumed(store)
    }
}

/// The guest waits. If what it had is not recorded, it has used up nothing.
pub(crate) fn leave_off_the_record(store: &mut StoreContextMut<'_, WorkflowState>) {
    let state = store.data_mut();
    if let Some(before) = state.random_before.take()
        && state.conversation.cursor().is_off_the_record()
    {
        state.random = before;
    }
}

/// Notes where the guest waits, if someone wants to know.
pub(crate) fn about_to_wait(store: &StoreContextMut<'_, WorkflowState>) {
    if store.data().conversation.is_traced() {
        let backtrace = frames(&WasmBacktrace::force_capture(store));
        store.data().conversation.waits_at(backtrace);
    }
}

fn refill(store: &mut StoreContextMut<'_, WorkflowState>, fuel: u64) -> wasmtime::Result<()> {
    let state = store.data_mut();
    state.memory.limiter.forget_refusals();
    state.debt.forget();
    state.log.refill();
    state.pass_as();
    store.as_context_mut().set_fuel(fuel)
}
