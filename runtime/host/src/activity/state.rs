//! What the host functions of an activity work on.

use std::sync::Arc;

use dacapo_engine::guest::{ActivityTask, AttemptLink};
use dacapo_model::limits::Limits;
use parking_lot::Mutex;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::calls::{Calls, Hook, Turns};
use super::http::Gate;
use super::memory::Share;
use super::output::Output;
use super::secrets::Secrets;
use super::worlds::World;
use crate::limits::Limiter;
use crate::log::{GuestLog, Stream};
use crate::workflow::state::{FUEL_BETWEEN_YIELDS, call_bytes_max};

/// Handles that one guest may hold. A request takes about eight.
const HANDLES_MAX: usize = 2_048;

/// Bytes of the headers of one request.
const HEADERS_BYTES_MAX: usize = 64 * 1024;

/// Random bytes that a guest may ask for at once.
const RANDOM_BYTES_MAX: u64 = 1024 * 1024;

/// The data of an activity's store.
pub(crate) struct ActivityState {
    pub(crate) task: ActivityTask,
    pub(crate) link: Arc<dyn AttemptLink>,
    pub(crate) limiter: Limiter,
    /// Shared with the streams that the guest holds.
    pub(crate) log: Arc<Mutex<GuestLog>>,
    pub(crate) secrets: Arc<Secrets>,
    pub(super) calls: Calls,
    pub(super) table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    gate: Gate,
}

impl ActivityState {
    /// No directory, no socket, no standard input; requests through the gate.
    pub(super) fn new(
        world: &World,
        task: ActivityTask,
        link: Arc<dyn AttemptLink>,
        limits: &Limits,
        share: Share,
        turns: Turns,
    ) -> Self {
        let log =
            GuestLog::of_activity(&task, limits.log_bytes_max).without(Arc::clone(&world.secrets));
        let log = Arc::new(Mutex::new(log));
        let wasi = WasiCtx::builder()
            .envs(&world.environment)
            .stdout(Output::new(Stream::Stdout, Arc::clone(&log)))
            .stderr(Output::new(Stream::Stderr, Arc::clone(&log)))
            .max_random_size(RANDOM_BYTES_MAX)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(HEADERS_BYTES_MAX);
        Self {
            limiter: Limiter::sharing(limits, share),
            log,
            calls: Calls::new(turns),
            table,
            wasi,
            http,
            secrets: Arc::clone(&world.secrets),
            gate: Gate::new(
                Arc::clone(&world.allowed_hosts),
                Arc::clone(&world.secrets),
                Arc::clone(&task.run),
                task.trace.clone(),
            ),
            task,
            link,
        }
    }
}

impl WasiView for ActivityState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for ActivityState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.gate }
    }
}

/// A store for one attempt.
pub(super) fn new_store(
    engine: &Engine,
    state: ActivityState,
    limits: &Limits,
) -> wasmtime::Result<Store<ActivityState>> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limiter);
    store.fuel_async_yield_interval(Some(FUEL_BETWEEN_YIELDS))?;
    store.set_fuel(limits.activity_fuel)?;
    store.set_hostcall_fuel(call_bytes_max(limits));
    store.call_hook_async(Hook);
    Ok(store)
}
