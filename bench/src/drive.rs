//! A run without a server: the engine decides, the host plays the guest, and
//! everything ends up in one history.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use dacapo_engine::compat::ENGINE_VERSION;
use dacapo_engine::decide::{self, Input};
use dacapo_engine::guest::{
    GuestHost, GuestInstance, ModuleLoadError, ModuleSource, RunContext, Unbounded,
};
use dacapo_engine::state::RunState;
use dacapo_engine::transition::Transition;
use dacapo_host::{
    ACTIVITIES_BYTES_MAX, ActivityConfig, Compiler, Host, HostConfig, MODULES_BYTES_MAX,
};
use dacapo_model::event::{Chain, HistoryEvent, RunOptions, WorkflowExecutionStarted};
use dacapo_model::execution::Blocked;
use dacapo_model::ids::{EventId, NamespaceName, RunId, TypeName, WorkflowId};
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use uuid::Uuid;

use crate::guest::{self, work_folder};

/// When all runs start.
const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// What every activity returns.
const RESULT: &[u8] = b"null";

/// A host with the module of the benchmark in it.
pub struct Stage {
    /// Plays the guests.
    pub host: Host,
    /// The run that is played.
    pub context: Arc<RunContext>,
}

/// A run that is played live.
pub struct Play {
    /// What all events so far make.
    pub state: RunState,
    /// All events so far.
    pub history: Vec<HistoryEvent>,
    instance: Box<dyn GuestInstance>,
    context: Arc<RunContext>,
}

/// The only module there is.
struct OneModule(Bytes);

#[async_trait]
impl ModuleSource for OneModule {
    async fn module_bytes(&self, _: ModuleDigest) -> Result<Vec<u8>, ModuleLoadError> {
        Ok(self.0.to_vec())
    }
}

impl Stage {
    /// Builds the module and compiles it.
    pub async fn set() -> Result<Self> {
        let component = guest::component().await?;
        let digest = ModuleDigest::of(&component);
        let config = HostConfig {
            cache_dir: work_folder()?.join("cache"),
            limits: Limits::default(),
            instances_max: 4,
            modules_bytes_max: MODULES_BYTES_MAX,
            activities_bytes_max: ACTIVITIES_BYTES_MAX,
            activities: ActivityConfig::default(),
            compiler: Compiler::Here,
        };
        let host = Host::new(config, Arc::new(OneModule(component.clone())))?;
        host.inspect(digest, &component).await?;
        let context = Arc::new(RunContext {
            namespace: NamespaceName::new("default")?,
            workflow_id: WorkflowId::new("measured")?,
            run_id: RunId(Uuid::from_u128(1)),
            module_digest: digest,
            trace: None,
        });
        Ok(Self { host, context })
    }

    /// The event that starts a run.
    pub fn started(&self, workflow: &str, input: &str) -> Result<WorkflowExecutionStarted> {
        Ok(WorkflowExecutionStarted {
            workflow_type: TypeName::new(workflow)?,
            module_digest: self.context.module_digest,
            input: Payload::new(input.to_owned()),
            engine_version: ENGINE_VERSION,
            request_id: None,
            environment: BTreeMap::new(),
            arguments: Vec::new(),
            continued_from: None,
            initial_signals: 0,
            parent: None,
            options: RunOptions::default(),
            chain: Chain::default(),
        })
    }

    /// Starts a run and plays it until it waits.
    pub async fn start(&self, workflow: &str, input: &str) -> Result<Play> {
        let (state, first) = decide::start(self.started(workflow, input)?, [], [], START);
        let instance = self
            .host
            .launch(Arc::clone(&self.context), Arc::new(Unbounded))
            .await
            .map_err(failed)?;
        let context = Arc::clone(&self.context);
        let mut play = Play { state, history: Vec::new(), instance, context };
        play.go_on(first).await?;
        Ok(play)
    }

    /// The whole history of a run whose activities do nothing.
    pub async fn record(&self, workflow: &str, input: &str) -> Result<Vec<HistoryEvent>> {
        let mut play = self.start(workflow, input).await?;
        while play.activity_returns().await? {}
        ensure!(!play.state.status.is_open(), "{workflow} waits for more than activities");
        Ok(play.history)
    }

    /// Plays a history in a new instance.
    pub async fn replay(&self, history: Vec<HistoryEvent>) -> Result<()> {
        let mut instance = self
            .host
            .launch(Arc::clone(&self.context), Arc::new(Unbounded))
            .await
            .map_err(failed)?;
        let commands = instance.advance(history).await.map_err(failed)?;
        ensure!(commands.is_empty(), "the history does not hold all that the guest asks for");
        Ok(())
    }
}

impl Play {
    /// Lets the activity that was asked for first return. False if there is none.
    pub async fn activity_returns(&mut self) -> Result<bool> {
        let Some(scheduled_event_id) = self.state.activities.keys().next().copied() else {
            return Ok(false);
        };
        let transition = returned(&mut self.state, scheduled_event_id)?;
        self.go_on(transition).await?;
        Ok(true)
    }

    async fn go_on(&mut self, transition: Transition) -> Result<()> {
        self.history.extend(transition.events.iter().cloned());
        let commands = self.instance.advance(transition.events).await.map_err(failed)?;
        let turn = Input::GuestTurn { run_id: self.context.run_id, commands };
        // Refused if it asks for nothing.
        if let Ok(turn) = decide::decide(&mut self.state, turn, START, &Limits::default()) {
            self.history.extend(turn.events);
        }
        Ok(())
    }
}

/// Decides that an activity has returned.
pub fn returned(state: &mut RunState, scheduled_event_id: EventId) -> Result<Transition> {
    let outcome = Ok(Payload::new(RESULT));
    let input = Input::ActivityReturned { scheduled_event_id, attempt: 1, outcome };
    decide::decide(state, input, START, &Limits::default()).context("the activity is pending")
}

fn failed(blocked: Blocked) -> anyhow::Error {
    anyhow!("{}: {}", blocked.code, blocked.message)
}
