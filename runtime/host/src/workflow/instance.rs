//! Driving a guest: from one wait to the next.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use dacapo_engine::guest::{GuestInstance, RunContext};
use dacapo_engine::replay::Answer;
use dacapo_model::code::ErrorCode;
use dacapo_model::command::Command;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Blocked;
use dacapo_model::limits::Limits;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;

use super::conversation::Conversation;
use super::outcome::outcome;
use super::state::{WorkflowState, new_store};
use crate::bindings::exports::dacapo::workflow::workflow::GuestIndices;
use crate::module::{Linked, Module};
use crate::trap::{Fault, Stop, blocked};

type Guest = Pin<Box<dyn Future<Output = Result<(), Blocked>> + Send>>;

/// A workflow's instance. Dropping it drops the guest wherever it waits.
pub(crate) struct Instance {
    conversation: Arc<Conversation>,
    life: Life,
    /// One of the instances that may live. Dropped after the guest.
    _permit: OwnedSemaphorePermit,
}

/// Where a guest is in its life.
enum Life {
    /// It waits, or has not begun.
    Running(Guest),
    /// It returned.
    Returned,
    /// It can't go on; why.
    Faulted(Blocked),
}

impl Instance {
    pub(crate) fn new(
        module: Arc<Module>,
        run: Arc<RunContext>,
        limits: Arc<Limits>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let conversation = Arc::new(Conversation::new(&limits));
        let state = WorkflowState::new(Arc::clone(&conversation), run, limits);
        // Nothing of it happens before the first history arrives.
        let guest = Box::pin(run_guest(module, state));
        Self { conversation, life: Life::Running(guest), _permit: permit }
    }
}

#[async_trait]
impl GuestInstance for Instance {
    async fn advance(&mut self, events: Vec<HistoryEvent>) -> Result<Vec<Command>, Blocked> {
        let guest = match &mut self.life {
            Life::Running(guest) => guest,
            Life::Returned => return Ok(Vec::new()),
            Life::Faulted(blocked) => return Err(blocked.clone()),
        };
        self.conversation.cursor().extend(events);
        match self.conversation.run_until_wait(guest.as_mut()).await {
            None => {}
            // The guest's memory is given back at once, not with the instance.
            Some(Ok(())) => self.life = Life::Returned,
            Some(Err(blocked)) => {
                self.life = Life::Faulted(blocked.clone());
                return Err(blocked);
            }
        }
        Ok(self.conversation.cursor().take_commands())
    }
}

/// The whole life of a guest, from the event that started its run to the
/// command that closes it.
async fn run_guest(module: Arc<Module>, mut state: WorkflowState) -> Result<(), Blocked> {
    let conversation = Arc::clone(&state.conversation);
    let started = conversation
        .answer(|cursor| {
            Ok(match cursor.start()? {
                Answer::Ready(started) => Answer::Ready(started.clone()),
                Answer::Blocked => Answer::Blocked,
            })
        })
        .await
        .map_err(|stop| {
            blocked(ErrorCode::Internal, format!("the history can't begin so: {stop}"))
        })?;
    state.started(&started);
    let Some(linked) = &module.workflow else {
        let message =
            format!("the module exports no workflows, so it can't run `{}`", started.workflow_type);
        return Err(blocked(ErrorCode::ModuleWrongWorld, message));
    };
    let engine = linked.pre.engine();
    let mut store = new_store(engine, state)
        .map_err(|error| blocked(ErrorCode::Internal, format!("{error:#}")))?;
    let input = Vec::from(started.input.clone().into_bytes());
    let ended = call_run(&mut store, linked, started.workflow_type.as_str(), &input).await;
    ended.map_err(|error| {
        let state = store.data();
        Fault::new(&error, &state.limiter, &state.log).into()
    })
}

/// Instantiates, calls `run` and records how it ended.
async fn call_run(
    store: &mut Store<WorkflowState>,
    linked: &Linked<WorkflowState, GuestIndices>,
    workflow_type: &str,
    input: &Vec<u8>,
) -> wasmtime::Result<()> {
    let instance = linked.pre.instantiate_async(&mut *store).await?;
    let guest = linked.exports.load(&mut *store, &instance)?;
    let returned = guest.call_run(&mut *store, workflow_type, input).await?;
    let state = store.data();
    let outcome = outcome(returned, &state.limits)?;
    state.conversation.cursor().close(outcome).map_err(Stop::Call)?;
    Ok(())
}
