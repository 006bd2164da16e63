//! A run as the service drives it: the engine decides, the guest answers, and
//! everything ends up in one history.

use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::compat::ENGINE_VERSION;
use dacapo_engine::decide::{self, Input};
use dacapo_engine::guest::{Asked, GuestHost, GuestInstance, Offered, RunContext, Unbounded};
use dacapo_engine::state::RunState;
use dacapo_engine::transition::{Effect, Transition};
use dacapo_model::event::{
    Chain, EventAttributes, HistoryEvent, RunOptions, WorkflowExecutionStarted,
};
use dacapo_model::execution::Blocked;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{EventId, QueryName, UpdateId, UpdateName};
use dacapo_model::limits::Limits;
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_model::signal::Signal;
use dacapo_model::time::Timestamp;
use dacapo_model::update::Update;

use crate::support::{json, type_name};

/// When all runs of the tests start.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// A run and its live instance.
pub(crate) struct Run {
    pub(crate) context: Arc<RunContext>,
    pub(crate) state: RunState,
    pub(crate) history: Vec<HistoryEvent>,
    pub(crate) now: Timestamp,
    /// Of the guest's last turn.
    pub(crate) effects: Vec<Effect>,
    instance: Box<dyn GuestInstance>,
}

impl Run {
    /// What its instance says that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.instance.bytes()
    }

    /// Starts a run and plays it until it waits.
    pub(crate) async fn start(
        host: &impl GuestHost,
        context: &Arc<RunContext>,
        workflow: &str,
        input: &str,
    ) -> Result<Self, Blocked> {
        Self::start_with(host, context, started(context, workflow, input)).await
    }

    /// The same, with signals that are there from the beginning.
    pub(crate) async fn start_with_signals(
        host: &impl GuestHost,
        context: &Arc<RunContext>,
        workflow: &str,
        input: &str,
        signals: impl IntoIterator<Item = Signal>,
    ) -> Result<Self, Blocked> {
        Self::begin(host, context, started(context, workflow, input), signals).await
    }

    /// The same, with a whole start event.
    pub(crate) async fn start_with(
        host: &impl GuestHost,
        context: &Arc<RunContext>,
        started: WorkflowExecutionStarted,
    ) -> Result<Self, Blocked> {
        Self::begin(host, context, started, []).await
    }

    async fn begin(
        host: &impl GuestHost,
        context: &Arc<RunContext>,
        started: WorkflowExecutionStarted,
        signals: impl IntoIterator<Item = Signal>,
    ) -> Result<Self, Blocked> {
        let (state, first) = decide::start(started, signals, [], START);
        let instance = host.launch(Arc::clone(context), Arc::new(Unbounded)).await?;
        let mut run = Self {
            context: Arc::clone(context),
            state,
            history: Vec::new(),
            now: START,
            effects: Vec::new(),
            instance,
        };
        run.play(first).await?;
        Ok(run)
    }

    /// Records an input and what the guest does about it.
    pub(crate) async fn input(&mut self, input: Input) -> Result<(), Blocked> {
        let transition = decide::decide(&mut self.state, input, self.now, &Limits::default())
            .expect("the input has an effect");
        self.play(transition).await
    }

    /// Asks the live instance.
    pub(crate) async fn query(&mut self, name: &str, input: &str) -> Asked {
        let name = QueryName::new(name).expect("a valid name");
        self.instance.query(Query { name, input: json(input) }).await
    }

    /// Offers the live instance an update, and records what it does about it.
    pub(crate) async fn offer(&mut self, id: &str, name: &str, input: &str) -> Offered {
        let update = Update {
            id: UpdateId::new(id).expect("a valid id"),
            name: UpdateName::new(name).expect("a valid name"),
            input: json(input),
        };
        let at = self.now.max(self.state.last_event_at);
        let offered = self.instance.offer_update(update, at).await;
        if let Offered::Accepted(commands) = &offered {
            let commands = commands.clone();
            let turn = Input::GuestTurn { run_id: self.context.run_id, commands };
            let turn = decide::decide(&mut self.state, turn, self.now, &Limits::default());
            let turn = turn.expect("the run is open");
            self.history.extend(turn.events);
            self.effects = turn.effects;
        }
        offered
    }

    async fn play(&mut self, transition: Transition) -> Result<(), Blocked> {
        self.history.extend(transition.events.iter().cloned());
        let commands = self.instance.advance(transition.events).await?;
        let turn = Input::GuestTurn { run_id: self.context.run_id, commands };
        if let Ok(turn) = decide::decide(&mut self.state, turn, self.now, &Limits::default()) {
            self.history.extend(turn.events);
            self.effects = turn.effects;
        }
        Ok(())
    }

    /// Lets the only pending activity return.
    pub(crate) async fn activity_returns(
        &mut self,
        outcome: Result<Payload, Failure>,
    ) -> Result<(), Blocked> {
        let pending: Vec<_> = self.state.activities.keys().copied().collect();
        let [scheduled_event_id] = pending[..] else {
            panic!("not one pending activity: {pending:?}");
        };
        self.input(Input::ActivityReturned { scheduled_event_id, attempt: 1, outcome }).await
    }

    /// Lets the time of the earliest timer come.
    pub(crate) async fn timer_fires(&mut self) -> Result<(), Blocked> {
        let (event_id, timer) = self
            .state
            .timers
            .iter()
            .min_by_key(|(_, timer)| timer.fire_at)
            .map(|(event_id, timer)| (*event_id, *timer))
            .expect("a pending timer");
        self.now = timer.fire_at;
        self.input(Input::TimerDue { event_id }).await
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
    }

    /// The result that the run completed with.
    pub(crate) fn result(&self) -> &Payload {
        match self.history.last().map(|event| &event.attributes) {
            Some(EventAttributes::WorkflowExecutionCompleted { result }) => result,
            other => panic!("the run has not completed: {other:?}"),
        }
    }

    /// The types of all events.
    pub(crate) fn event_types(&self) -> Vec<&'static str> {
        self.history.iter().map(|event| event.attributes.type_name()).collect()
    }
}

/// Replays a history in a new instance, and answers how many commands were new.
pub(crate) async fn replay(
    host: &impl GuestHost,
    context: &Arc<RunContext>,
    history: Vec<HistoryEvent>,
) -> Result<usize, Blocked> {
    let mut instance = host.launch(Arc::clone(context), Arc::new(Unbounded)).await?;
    Ok(instance.advance(history).await?.len())
}

pub(crate) fn started(
    context: &RunContext,
    workflow: &str,
    input: &str,
) -> WorkflowExecutionStarted {
    WorkflowExecutionStarted {
        workflow_type: type_name(workflow),
        module_digest: context.module_digest,
        input: json(input),
        engine_version: ENGINE_VERSION,
        request_id: None,
        environment: std::collections::BTreeMap::new(),
        arguments: Vec::new(),
        continued_from: None,
        initial_signals: 0,
        parent: None,
        options: RunOptions::default(),
        chain: Chain::default(),
    }
}

/// A history that holds only the start of a run.
pub(crate) fn only_started(context: &RunContext, workflow: &str, input: &str) -> Vec<HistoryEvent> {
    vec![HistoryEvent {
        id: EventId::FIRST,
        time: START,
        attributes: EventAttributes::WorkflowExecutionStarted(Box::new(started(
            context, workflow, input,
        ))),
    }]
}
