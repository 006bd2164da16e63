//! The loop of one run: take messages, decide, commit, answer.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::decide::Refusal;
use dacapo_engine::guest::{GuestInstance, RunContext};
use dacapo_engine::state::RunState;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Execution;
use dacapo_model::ids::{EventId, QueryName};
use dacapo_model::payload::Payload;
use tokio::sync::mpsc;

use super::begin::Begun;
use super::heartbeats::Heartbeats;
use super::message::{Envelope, JoinAnswer, Message, MoveAnswer};
use super::postponed::Postponed;
use super::room::{InstanceRoom, evict};
use super::{ActorSource, OpenRun, ResetAnswer, load};
use crate::activities::LocalExecutor;
use crate::delivery::deliver;
use crate::portions::Portion;
use crate::runtime::Shared;
use crate::salvage::Fault;
use crate::traces::Span;
use crate::types::Closing;
use crate::workload::Work;

/// Messages decided together, in one commit. More would make the first of them
/// wait for the guest to answer all the others.
const BATCH_MAX: usize = 64;

/// Why an actor ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The run has closed.
    Closed,
    /// Nothing is in hand; the next message wakes it again.
    Asleep,
    /// It can't go on here: this node lost it, or the store does not have it.
    Gone,
}

/// An instance in memory, and its room there.
pub(super) struct Resident {
    pub(super) instance: Box<dyn GuestInstance>,
    pub(super) room: Arc<InstanceRoom>,
}

/// One run that is awake.
pub(super) struct Actor {
    pub(super) shared: Arc<Shared>,
    pub(super) run: Arc<OpenRun>,
    pub(super) mailbox: mpsc::Receiver<Envelope>,
    /// What waits for the store to take commits.
    pub(super) postponed: Postponed,
    /// Messages that were taken from the mailbox, and not looked at yet.
    pub(super) in_turn: VecDeque<Message>,
    /// Commits that failed one after the other.
    pub(super) failures: u32,
    /// The last commit had no verdict: it may still come.
    pub(super) in_doubt: bool,
    pub(super) context: Arc<RunContext>,
    pub(super) execution: Execution,
    pub(super) state: RunState,
    /// All that is stored, if it was just read: a guest that is launched at once
    /// need not read it again.
    pub(super) history: Option<Vec<HistoryEvent>>,
    pub(super) guest: Option<Resident>,
    /// The attempts of its activities that have not ended yet.
    pub(super) attempts: LocalExecutor,
    /// The heartbeats of attempts outside.
    pub(super) heartbeats: HashMap<EventId, Heartbeats>,
    /// The guest has not answered the last event of history.
    pub(super) needs_activation: bool,
    pub(super) closing: Option<Closing>,
    /// Why nothing can go on with its history.
    pub(super) fault: Option<Fault>,
    /// All its timer rows, if there is a fault: they go with it.
    pub(super) timer_rows: Vec<EventId>,
    /// All its tasks, if there is a fault: they go with it.
    pub(super) tasks: Vec<EventId>,
    /// What the guest has published, if all of it is known here.
    pub(super) published: Option<BTreeMap<QueryName, Payload>>,
    /// Starts of the same workflow id that came after the run had closed: for the
    /// run that has it now.
    left: Vec<Message>,
    /// What has ended by what was decided, for when that is committed.
    pub(super) spans: Vec<Span>,
    /// While it is not waiting for messages.
    work: Option<Work>,
    /// Until it waits for the first time, if the node woke it when it started.
    portion: Option<Portion>,
}

/// Runs an actor from its start to its end.
pub(super) async fn run(
    shared: Arc<Shared>,
    run: Arc<OpenRun>,
    mut mailbox: mpsc::Receiver<Envelope>,
    origin: ActorSource,
    work: Work,
    portion: Option<Portion>,
) {
    let (mut actor, ready) = match origin {
        ActorSource::New { begun, waiter, cause, chosen } => {
            let Begun { execution, state, transition } = *begun;
            let mut actor = Actor::new(shared, run, mailbox, execution, state);
            let ready = actor.begin(transition, waiter, cause).await;
            drop(chosen);
            match ready {
                Ok(()) => actor.shared.directory.stored(&actor.run),
                // It never was: free its workflow id.
                Err(_) => {
                    actor.shared.directory.remove(&actor.run);
                    actor.run.close();
                }
            }
            (actor, ready)
        }
        ActorSource::Stored => {
            let mut postponed = Postponed::default();
            let loaded = load::load(&shared, &run, &mut || postponed.mailbox(&mut mailbox)).await;
            match loaded {
                Ok(loaded) => {
                    let (mut actor, ready) = Actor::from_loaded(shared, run, mailbox, loaded);
                    actor.postponed = postponed;
                    (actor, ready)
                }
                Err(stop) => {
                    tracing::debug!(run_id = %run.key, ?stop, "run was not loaded");
                    return;
                }
            }
        }
        ActorSource::Loaded(loaded) => Actor::from_loaded(shared, run, mailbox, *loaded),
    };
    actor.work = Some(work);
    actor.portion = portion;
    let stop = match ready {
        Ok(()) => actor.serve().await,
        Err(stop) => stop,
    };
    actor.finish(stop).await;
}

impl Actor {
    fn new(
        shared: Arc<Shared>,
        run: Arc<OpenRun>,
        mailbox: mpsc::Receiver<Envelope>,
        execution: Execution,
        state: RunState,
    ) -> Self {
        run.note_trace(&shared.traces, &state);
        let context = Arc::new(context_in_trace(&run, &execution));
        let attempts = LocalExecutor::new(shared.clone(), run.clone());
        Self {
            shared,
            run,
            mailbox,
            postponed: Postponed::default(),
            in_turn: VecDeque::new(),
            failures: 0,
            in_doubt: false,
            context,
            execution,
            state,
            history: None,
            guest: None,
            attempts,
            heartbeats: HashMap::new(),
            needs_activation: false,
            closing: None,
            fault: None,
            timer_rows: Vec::new(),
            tasks: Vec::new(),
            published: None,
            left: Vec::new(),
            spans: Vec::new(),
            work: None,
            portion: None,
        }
    }

    fn from_loaded(
        shared: Arc<Shared>,
        run: Arc<OpenRun>,
        mailbox: mpsc::Receiver<Envelope>,
        loaded: load::Loaded,
    ) -> (Self, Result<(), Stop>) {
        let (execution, state) = (loaded.execution.clone(), loaded.state.clone());
        let mut actor = Self::new(shared, run, mailbox, execution, state);
        actor.adopt(loaded);
        (actor, Ok(()))
    }

    async fn serve(&mut self) -> Stop {
        if let Err(stop) = self.show_fault().await {
            return stop;
        }
        loop {
            if self.closing.is_some() {
                return Stop::Closed;
            }
            // While the store fails, it hears what else comes.
            if self.waits_for_store() && !self.shared.hold.health.is_failing() {
                if let Err(stop) = self.handle(Vec::new()).await {
                    return stop;
                }
                continue;
            }
            self.rest();
            let batch = match self.receive().await {
                Ok(batch) => batch,
                Err(stop) => return stop,
            };
            if let Err(stop) = self.handle(batch).await {
                return stop;
            }
        }
    }

    /// The next messages, or the reason to stop: nothing to do for a while.
    async fn receive(&mut self) -> Result<Vec<Message>, Stop> {
        loop {
            // Without a guest and its attempts there is nothing worth keeping.
            let holds_something = self.guest.is_some()
                || !self.attempts.is_empty()
                || !self.heartbeats.is_empty()
                || self.waits_for_store();
            let patience =
                if holds_something { self.shared.capacity.idle_timeout } else { Duration::ZERO };
            // Held until what follows is in hand.
            let heartbeats_due = pin!(self.until_heartbeats_due());
            // What has followed from the last messages is counted by now.
            let waits_for_store = self.waits_for_store();
            if !waits_for_store {
                self.work = None;
            }
            let first = tokio::select! {
                // Messages first: the result of an attempt that a stopping node
                // has waited for must not be lost in the mailbox.
                biased;
                first = tokio::time::timeout(patience, self.mailbox.recv()) => first,
                () = self.shared.hold.health.until_working(), if waits_for_store => {
                    return Ok(Vec::new());
                }
                () = heartbeats_due => {
                    self.work = Some(self.shared.life.workload.begin());
                    self.save_heartbeats().await?;
                    continue;
                }
                () = self.shared.life.halted.cancelled() => return Err(Stop::Gone),
            };
            match first {
                Ok(Some(first)) => {
                    self.work = Some(first.work);
                    let mut batch = vec![first.message];
                    while batch.len() < BATCH_MAX
                        && let Ok(next) = self.mailbox.try_recv()
                    {
                        batch.push(next.message);
                    }
                    return Ok(batch);
                }
                Ok(None) => return Err(Stop::Gone),
                Err(_idle) => {
                    self.drop_guest();
                    let is_idle = self.attempts.is_empty()
                        && self.heartbeats.is_empty()
                        && !self.waits_for_store();
                    if is_idle && self.run.fall_asleep(&self.mailbox) {
                        return Err(Stop::Asleep);
                    }
                }
            }
        }
    }

    /// Returns when heartbeats are to be looked after; never if there are none.
    fn until_heartbeats_due(&self) -> impl Future<Output = ()> + Send + use<> {
        let due = self.heartbeats_due().map(|due| (self.shared.clone(), due));
        async move {
            match due {
                Some((shared, due)) => shared.clock.wait_until(due).await,
                None => std::future::pending().await,
            }
        }
    }

    /// The run waits: others may have its place in memory.
    fn rest(&mut self) {
        // Whatever woke it is about to need what was just read.
        if self.mailbox.is_empty() {
            self.history = None;
            self.portion = None;
        }
        let Some(guest) = &self.guest else {
            return;
        };
        let bytes = guest.instance.bytes();
        guest.room.set_bytes(bytes);
        let (shared, run_id) = (&self.shared, self.run.key.run_id);
        if shared.capacity.residency.mark_idle(run_id, bytes, |other| evict(shared, other)) {
            self.drop_guest();
        }
    }

    pub(super) fn drop_guest(&mut self) {
        self.shared.capacity.residency.mark_busy(self.run.key.run_id);
        self.guest = None;
    }

    async fn finish(mut self, stop: Stop) {
        self.drop_guest();
        self.attempts.stop_all();
        if stop == Stop::Closed {
            self.report_to_parent();
        }
        if stop == Stop::Closed {
            while let Ok(envelope) = self.mailbox.try_recv() {
                self.leave(envelope.message);
            }
            self.pass_on().await;
        }
    }

    /// The run has closed: what it is told is refused, or for the run that follows it.
    pub(super) fn leave(&mut self, message: Message) {
        match message {
            join @ Message::Join { .. } => self.left.push(join),
            message => refuse_closed(message),
        }
    }

    /// Hands starts on to the run that follows this one, in their order: each of many
    /// that replace one another has its turn, which it would not if all of them
    /// started over whenever one has won.
    async fn pass_on(&mut self) {
        for join in std::mem::take(&mut self.left) {
            match self.shared.directory.follower(&self.run) {
                Some(follower) => {
                    if let Err(join) = deliver(&self.shared, &follower, join).await {
                        refuse_closed(join);
                    }
                }
                None => refuse_closed(join),
            }
        }
    }
}

/// What the guest of a run may see of it, and the trace that it belongs to.
pub(super) fn context_in_trace(run: &OpenRun, execution: &Execution) -> RunContext {
    RunContext { trace: run.trace().cloned(), ..context_of(execution) }
}

/// What the guest of a run may see of it.
pub(crate) fn context_of(execution: &Execution) -> RunContext {
    RunContext {
        namespace: execution.namespace.clone(),
        workflow_id: execution.workflow_id.clone(),
        run_id: execution.key.run_id,
        module_digest: execution.module_digest,
        trace: None,
    }
}

fn refuse_closed(message: Message) {
    match message {
        Message::Input { answer: Some(answer), .. } => {
            let _ = answer.send(Ok(Err(Refusal::Closed)));
        }
        Message::Join { answer, .. } => {
            let _ = answer.send(Ok(JoinAnswer::Closed));
        }
        Message::Heartbeat { answer, .. } => {
            let _ = answer.send(Ok(Err(Refusal::Closed)));
        }
        Message::Move { answer, .. } => {
            let _ = answer.send(Ok(MoveAnswer::Closed));
        }
        Message::Reset { answer, .. } => {
            let _ = answer.send(Ok(ResetAnswer::Closed));
        }
        // Who asks about it looks again, and finds it in the store.
        Message::Input { answer: None, .. }
        | Message::AttemptLeft { .. }
        | Message::Describe { .. }
        | Message::Query { .. }
        | Message::UpdateStage { .. }
        | Message::Trace { .. }
        | Message::Evict
        | Message::Reread => {}
    }
}
