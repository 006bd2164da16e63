//! Driving a guest: from one wait to the next.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use dacapo_engine::guest::{Asked, GuestInstance, Offered, Room, RunContext, Trace};
use dacapo_engine::replay::{Answer, Offer, Reply, Waiting};
use dacapo_engine::waits::{self, WaitsReport};
use dacapo_model::code::ErrorCode;
use dacapo_model::command::Command;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Blocked;
use dacapo_model::ids::QueryName;
use dacapo_model::limits::QUERY_TIME_MAX;
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_model::time::Timestamp;
use dacapo_model::update::Update;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{Store, component};

use super::conversation::Conversation;
use super::memory::BYTES_BESIDES_MEMORY;
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
    /// Bytes of the guest's memories and tables.
    meter: Arc<AtomicUsize>,
    /// One of the instances that may live. Dropped after the guest.
    _slot: OwnedSemaphorePermit,
}

/// Where an instance may live.
pub(crate) struct Place {
    /// What it holds its memory in.
    pub(crate) room: Arc<dyn Room>,
    /// One of the instances that may live.
    pub(crate) slot: OwnedSemaphorePermit,
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
    pub(crate) fn new(module: Arc<Module>, run: Arc<RunContext>, place: Place) -> Self {
        let conversation = Conversation::new(&module.limits);
        Self::with(conversation, module, run, place)
    }

    /// One that can tell where in its code it waits, for [`Self::trace`].
    pub(crate) fn traced(module: Arc<Module>, run: Arc<RunContext>, place: Place) -> Self {
        let conversation = Conversation::traced(&module.limits);
        Self::with(conversation, module, run, place)
    }

    fn with(
        conversation: Conversation,
        module: Arc<Module>,
        run: Arc<RunContext>,
        place: Place,
    ) -> Self {
        let conversation = Arc::new(conversation);
        let limits = Arc::clone(&module.limits);
        let Place { room, slot } = place;
        let state = WorkflowState::new(Arc::clone(&conversation), run, limits, room);
        let meter = state.memory.limiter.meter();
        // Nothing of it happens before the first history arrives.
        let guest = Box::pin(async move { run_guest(&module, state).await.map(drop) });
        Self { conversation, life: Life::Running(guest), meter, _slot: slot }
    }

    /// Where the guest waits. It is asked itself, if it can be: this is the last that it
    /// does.
    pub(crate) async fn trace(mut self) -> Trace {
        let (waiting, untaken_signals) = {
            let cursor = self.conversation.cursor();
            (cursor.waiting().cloned(), cursor.untaken_signals())
        };
        let backtrace = waiting.as_ref().and_then(|_| self.conversation.trace());
        let report = match waiting {
            Some(Waiting::Next | Waiting::NextUntil(_)) => self.report().await,
            _ => None,
        };
        Trace { waiting, backtrace, untaken_signals, report }
    }

    async fn report(&mut self) -> Option<WaitsReport> {
        let name = QueryName::new(waits::QUERY).ok()?;
        let query = Query { name, input: Payload::new("null") };
        match tokio::time::timeout(QUERY_TIME_MAX, self.query(query)).await {
            Ok(Asked::Answered(Ok(answer))) => WaitsReport::read(&answer),
            _ => None,
        }
    }

    /// Lets the guest go on until it waits again or ends.
    async fn go_on(&mut self) -> Result<(), Blocked> {
        let guest = match &mut self.life {
            Life::Running(guest) => guest,
            Life::Returned => return Ok(()),
            Life::Faulted(blocked) => return Err(blocked.clone()),
        };
        match self.conversation.run_until_wait(guest.as_mut()).await {
            None => Ok(()),
            // The guest's memory is given back at once, not with the instance.
            Some(Ok(())) => {
                self.life = Life::Returned;
                Ok(())
            }
            Some(Err(blocked)) => {
                self.life = Life::Faulted(blocked.clone());
                Err(blocked)
            }
        }
    }
}

#[async_trait]
impl GuestInstance for Instance {
    async fn advance(&mut self, events: Vec<HistoryEvent>) -> Result<Vec<Command>, Blocked> {
        if let Life::Returned = self.life {
            return Ok(Vec::new());
        }
        self.conversation.cursor().extend(events);
        self.go_on().await?;
        Ok(self.conversation.cursor().take_commands())
    }

    async fn query(&mut self, query: Query) -> Asked {
        match &self.life {
            Life::Running(_) => {}
            Life::Returned => return Asked::Ended,
            Life::Faulted(blocked) => return Asked::Broken(blocked.clone()),
        }
        {
            let mut cursor = self.conversation.cursor();
            if !cursor.offer(Offer::Query(query)) {
                return cursor.waiting().cloned().map_or(Asked::Ended, Asked::Elsewhere);
            }
        }
        let gone_on = self.go_on().await;
        let reply = self.conversation.cursor().take_reply();
        match (gone_on, reply) {
            (Err(blocked), _) => Asked::Broken(blocked),
            (Ok(()), Some(Reply::Answered(answer))) => Asked::Answered(answer),
            (Ok(()), _) => Asked::Broken(undecided()),
        }
    }

    async fn offer_update(&mut self, update: Update, at: Timestamp) -> Offered {
        match &self.life {
            Life::Running(_) => {}
            Life::Returned => return Offered::Elsewhere,
            Life::Faulted(blocked) => return Offered::Broken(blocked.clone()),
        }
        if !self.conversation.cursor().offer(Offer::Update { update, at }) {
            return Offered::Elsewhere;
        }
        let gone_on = self.go_on().await;
        let mut cursor = self.conversation.cursor();
        match (gone_on, cursor.take_reply()) {
            (Err(blocked), Some(Reply::Accepted)) => Offered::Faulted(blocked),
            (Err(blocked), _) => Offered::Broken(blocked),
            (Ok(()), Some(Reply::Accepted)) => Offered::Accepted(cursor.take_commands()),
            (Ok(()), Some(Reply::Rejected(failure))) => Offered::Rejected(failure),
            (Ok(()), _) => Offered::Broken(undecided()),
        }
    }

    fn bytes(&self) -> usize {
        match self.life {
            Life::Running(_) => {
                self.meter.load(Ordering::Relaxed).saturating_add(BYTES_BESIDES_MEMORY)
            }
            // The guest's memory was given back.
            Life::Returned | Life::Faulted(_) => 0,
        }
    }
}

/// The cursor stops a guest that waits or ends without an answer.
fn undecided() -> Blocked {
    blocked(ErrorCode::Internal, "the guest went on without an answer")
}

/// A guest that has returned.
pub(super) struct Returned {
    pub(super) store: Store<WorkflowState>,
    pub(super) instance: component::Instance,
}

/// The whole life of a guest, from the event that started its run to the
/// command that closes it.
pub(super) async fn run_guest(
    module: &Module,
    mut state: WorkflowState,
) -> Result<Returned, Blocked> {
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
    match call_run(&mut store, linked, started.workflow_type.as_str(), &input).await {
        Ok(instance) => Ok(Returned { store, instance }),
        Err(error) => Err(fault(&store, &error)),
    }
}

/// Why a guest stopped.
pub(super) fn fault(store: &Store<WorkflowState>, error: &wasmtime::Error) -> Blocked {
    let state = store.data();
    let mut fault = Fault::new(error, &state.memory.limiter, &state.log);
    if let Some(noted) = state.conversation.noted_position() {
        fault.backtrace = Some(noted);
    }
    fault.into()
}

/// Instantiates, calls `run` and records how it ended.
async fn call_run(
    store: &mut Store<WorkflowState>,
    linked: &Linked<WorkflowState, GuestIndices>,
    workflow_type: &str,
    input: &Vec<u8>,
) -> wasmtime::Result<component::Instance> {
    let instance = linked.pre.instantiate_async(&mut *store).await?;
    let guest = linked.exports.load(&mut *store, &instance)?;
    let returned = guest.call_run(&mut *store, workflow_type, input).await?;
    let state = store.data();
    let outcome = outcome(returned, &state.limits)?;
    state.conversation.cursor().close(outcome).map_err(Stop::Call)?;
    Ok(instance)
}
