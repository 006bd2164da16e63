//! Activities: each attempt in a fresh instance with the real world behind WASI,
//! as far as the operator allows it.

mod allowed_hosts;
mod calls;
mod http;
pub(crate) mod memory;
mod outcome;
mod output;
mod redaction;
mod secret_forms;
pub(crate) mod secrets;
pub(crate) mod state;
mod worlds;

use std::sync::Arc;

use dacapo_engine::guest::{ActivityTask, AttemptLink};
use dacapo_model::failure::Failure;
use dacapo_model::limits::Limits;
use dacapo_model::payload::Payload;
use tokio::sync::Semaphore;
use wasmtime::Store;

use self::calls::Turns;
use self::memory::ActivityMemory;
use self::state::{ActivityState, new_store};
use self::worlds::Worlds;
use crate::bindings::exports::dacapo::workflow::activity::GuestIndices;
use crate::config::{ActivityConfig, HostError};
use crate::interfaces::failure_from_guest;
use crate::module::Linked;
use crate::module::store::ModuleStore;
use crate::trap::Fault;

/// What all activities have in common.
pub(crate) struct ActivityRunner {
    worlds: Worlds,
    limits: Arc<Limits>,
    /// One permit for each activity instance that may live.
    slots: Semaphore,
    memory: Arc<ActivityMemory>,
}

impl ActivityRunner {
    pub(crate) fn new(
        config: ActivityConfig,
        slots: usize,
        bytes_max: usize,
        limits: &Arc<Limits>,
    ) -> Result<Self, HostError> {
        Ok(Self {
            worlds: Worlds::new(config)?,
            limits: Arc::clone(limits),
            slots: Semaphore::new(slots),
            memory: ActivityMemory::new(bytes_max),
        })
    }

    /// Runs one attempt. Dropping the future drops the instance.
    pub(crate) async fn run(
        &self,
        modules: &ModuleStore,
        task: ActivityTask,
        link: Arc<dyn AttemptLink>,
    ) -> Result<Payload, Failure> {
        let module =
            modules.get(task.module_digest).await.map_err(|error| outcome::unusable(&error))?;
        let defined = &module.definitions.activities;
        let linked = match &module.activity {
            Some(linked) if defined.contains(&task.activity_type) => linked,
            _ => return Err(outcome::type_not_found(&task.activity_type, defined)),
        };
        let world = self.worlds.of(&task).map_err(outcome::not_permitted)?;
        let _permit = self.slots.acquire().await.map_err(|_| outcome::shutting_down())?;
        // What is more than an instance may have is refused when it asks for it.
        let at_first = module.memory_bytes_at_first.min(self.limits.instance_memory_bytes_max);
        let share = self.memory.begin(at_first).await.ok_or_else(outcome::shutting_down)?;
        let input = Vec::from(task.input.clone().into_bytes());
        let engine = linked.pre.engine();
        let turns = Turns::default();
        let state = ActivityState::new(&world, task, link, &self.limits, share, turns.clone());
        let mut store =
            new_store(engine, state, &self.limits).map_err(|error| outcome::internal(&error))?;
        let secrets = world.secrets.redaction();
        match turns.count(call_execute(&mut store, linked, &input)).await {
            Ok(Ok(result)) if result.len() > self.limits.payload_bytes_max => {
                Err(outcome::result_too_large(result.len(), &self.limits))
            }
            Ok(Ok(result)) => Ok(Payload::from(secrets.bytes(&result).unwrap_or(result))),
            Ok(Err(mut failure)) => {
                outcome::redact(&mut failure, secrets);
                Err(failure_from_guest(failure, &self.limits))
            }
            Err(error) => {
                let state = store.data();
                let mut fault = Fault::new(&error, &state.limiter, &state.log.lock());
                secrets.text(&mut fault.message);
                Err(outcome::fault(fault))
            }
        }
    }
}

type Returned = Result<Vec<u8>, crate::bindings::dacapo::workflow::types::Failure>;

async fn call_execute(
    store: &mut Store<ActivityState>,
    linked: &Linked<ActivityState, GuestIndices>,
    input: &Vec<u8>,
) -> wasmtime::Result<Returned> {
    let instance = linked.pre.instantiate_async(&mut *store).await?;
    let guest = linked.exports.load(&mut *store, &instance)?;
    let activity_type = store.data().task.activity_type.to_string();
    guest.call_execute(&mut *store, &activity_type, input).await
}
