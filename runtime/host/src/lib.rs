//! Runs guests with wasmtime: workflows in a virtual world that replays, and
//! activities in the real one, behind what the operator allows.
//!
//! ```text
//! GuestHost::inspect ──▶ module   compile once, cache, check, ask for definitions
//! GuestHost::launch  ──▶ workflow one instance, one future, one cursor
//! run_activity       ──▶ activity a fresh instance for each attempt
//! ```
//!
//! A host function of a workflow is a thin wrapper around
//! [`dacapo_engine::replay::Cursor`], which does all matching and delivery.

mod activity;
mod bindings;
mod config;
mod engine;
mod hook;
mod interfaces;
mod limits;
mod linker;
mod log;
mod machine;
mod module;
mod overflow;
mod pool;
mod trap;
mod wasi;
mod workflow;

use std::sync::Arc;

use async_trait::async_trait;
use dacapo_engine::guest::{
    ActivityTask, Asked, AttemptLink, GuestHost, GuestInstance, ModuleRejected, ModuleSource, Room,
    RunContext, Trace,
};
use dacapo_model::code::ErrorCode;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Blocked;
use dacapo_model::failure::Failure;
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use tokio::sync::Semaphore;

use crate::activity::ActivityRunner;
pub use crate::config::{
    ACTIVITIES_BYTES_MAX, ActivityConfig, Compiler, HostConfig, HostError, MODULES_BYTES_MAX,
    Secret,
};
pub use crate::machine::Machine;
pub use crate::module::compile_module;
use crate::module::store::ModuleStore;
use crate::pool::Slots;
use crate::workflow::after_end::query_closed;
use crate::workflow::instance::{Instance, Place};

/// The host of all guests of a node.
pub struct Host {
    modules: ModuleStore,
    activities: ActivityRunner,
    /// One permit for each workflow instance that may live.
    workflow_slots: Arc<Semaphore>,
    slots: Slots,
}

impl Host {
    /// Checks the configuration and reserves the address space for all guests.
    pub fn new(config: HostConfig, source: Arc<dyn ModuleSource>) -> Result<Self, HostError> {
        config.check()?;
        let limits = Arc::new(config.limits);
        let slots = Slots::new(config.instances_max, &limits)?;
        let engine = engine::engine(&limits, &slots)?;
        let workflow_slots = Arc::new(Semaphore::new(slots.workflows));
        let activities = ActivityRunner::new(
            config.activities,
            slots.activities,
            config.activities_bytes_max,
            &limits,
        )?;
        let modules = ModuleStore::new(
            engine,
            config.compiler,
            config.cache_dir,
            Arc::clone(&limits),
            config.modules_bytes_max,
            source,
        )?;
        Ok(Self { modules, activities, workflow_slots, slots })
    }
}

impl Host {
    /// A place for a workflow's instance, which holds its memory in `room`.
    async fn place(&self, room: Arc<dyn Room>) -> Result<Place, Blocked> {
        let slot = Arc::clone(&self.workflow_slots).acquire_owned().await;
        let slot =
            slot.map_err(|_| trap::blocked(ErrorCode::Unavailable, "the host is shutting down"))?;
        Ok(Place { room, slot })
    }
}

#[async_trait]
impl GuestHost for Host {
    async fn inspect(
        &self,
        digest: ModuleDigest,
        bytes: &[u8],
    ) -> Result<ModuleDefinitions, ModuleRejected> {
        let module = self.modules.add(digest, bytes).await?;
        Ok(module.definitions.clone())
    }

    fn is_at_hand(&self, module: ModuleDigest) -> bool {
        self.modules.is_ready(module)
    }

    async fn launch(
        &self,
        run: Arc<RunContext>,
        room: Arc<dyn Room>,
    ) -> Result<Box<dyn GuestInstance>, Blocked> {
        let module = self.modules.get(run.module_digest).await?;
        let place = self.place(room).await?;
        Ok(Box::new(Instance::new(module, run, place)))
    }

    async fn run_activity(
        &self,
        task: ActivityTask,
        link: Arc<dyn AttemptLink>,
    ) -> Result<Payload, Failure> {
        self.activities.run(&self.modules, task, link).await
    }

    async fn trace(
        &self,
        run: Arc<RunContext>,
        room: Arc<dyn Room>,
        history: Vec<HistoryEvent>,
    ) -> Result<Trace, Blocked> {
        let module = self.modules.get(run.module_digest).await?;
        let place = self.place(room).await?;
        let mut instance = Instance::traced(module, run, place);
        instance.advance(history).await?;
        Ok(instance.trace().await)
    }

    async fn query_closed(
        &self,
        run: Arc<RunContext>,
        room: Arc<dyn Room>,
        history: Vec<HistoryEvent>,
        query: Query,
    ) -> Asked {
        let ready = async {
            let module = self.modules.get(run.module_digest).await?;
            Ok((module, self.place(room).await?))
        };
        match ready.await {
            Ok((module, place)) => query_closed(module, run, place, history, query).await,
            Err(blocked) => Asked::Broken(blocked),
        }
    }

    fn instances_max(&self) -> usize {
        self.slots.workflows
    }

    fn activities_max(&self) -> usize {
        self.slots.activities
    }
}
