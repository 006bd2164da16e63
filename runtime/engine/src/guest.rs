//! The port between the service and whatever runs guests. The host implements it with
//! wasmtime; tests implement it with plain code.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dacapo_model::code::ErrorCode;
use dacapo_model::command::Command;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Blocked;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{NamespaceName, OperationId, RunId, SignalName, TypeName, WorkflowId};
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_model::time::Timestamp;
use dacapo_model::trace::TraceContext;
use dacapo_model::update::Update;

use crate::compat::{has_gap, made_by_newer};
use crate::replay::Waiting;
use crate::waits::WaitsReport;

/// The facts about a run that its guest may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunContext {
    /// Where it lives.
    pub namespace: NamespaceName,
    /// The caller's name for it.
    pub workflow_id: WorkflowId,
    /// The run; random numbers are seeded by it.
    pub run_id: RunId,
    /// The code to run.
    pub module_digest: ModuleDigest,
    /// What goes with what it asks others for, if it belongs to a trace. Of an attempt,
    /// [`ActivityTask::trace`] does.
    pub trace: Option<TraceContext>,
}

/// One attempt of an activity.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityTask {
    /// The run that asked for it.
    pub run: Arc<RunContext>,
    /// The code that defines it: the run's, or that of another module.
    pub module_digest: ModuleDigest,
    /// What to run.
    pub activity_type: TypeName,
    /// Its argument.
    pub input: Payload,
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// From 1.
    pub attempt: u32,
    /// Time it has left; whoever runs it stops it then.
    pub timeout: Duration,
    /// The same as a point in time, for the activity to see.
    pub deadline: Timestamp,
    /// What an attempt before this one said last.
    pub heartbeat_details: Option<Payload>,
    /// What goes with its requests, if it belongs to a trace.
    pub trace: Option<TraceContext>,
    /// What it may use of what whoever runs it has.
    pub permissions: Arc<ActivityPermissions>,
}

/// What a namespace lets its activities use, of what whoever runs them allows; none means all
/// of that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityPermissions {
    /// Hosts to send requests to.
    pub allowed_hosts: Option<Vec<String>>,
    /// Names of secrets.
    pub secrets: Option<Vec<String>>,
}

/// What an attempt is told while it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttemptSignals {
    /// It is to end, soon.
    pub cancel_requested: bool,
    /// No further attempt begins until somebody says so; this one may go on.
    pub paused: bool,
}

/// How an attempt talks to its run while it runs.
#[async_trait]
pub trait AttemptLink: Send + Sync {
    /// Tells the run that the attempt is alive, and what the next attempt is to be
    /// told. Never waits.
    fn heartbeat(&self, details: Option<Payload>);

    /// Returns what the attempt is told.
    fn signals(&self) -> AttemptSignals;

    /// Returns once the attempt is asked to cancel.
    async fn cancel_requested(&self);

    /// Leaves the attempt to somebody outside to complete. Returns its token, once it
    /// is durable that the attempt is left; the same token each time.
    async fn complete_later(&self) -> Result<String, Failure>;
}

/// Why an upload is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ModuleRejected {
    /// The stable code.
    pub code: ErrorCode,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// Facts for programs, such as the name of the import.
    pub details: BTreeMap<String, String>,
}

/// A module's bytes can't be had now.
#[derive(Debug, thiserror::Error)]
#[error("module {digest} can't be loaded")]
pub struct ModuleLoadError {
    /// Which one.
    pub digest: ModuleDigest,
    /// Why; none if it is not stored at all.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Where a host gets the bytes of a module that it has not compiled yet.
#[async_trait]
pub trait ModuleSource: Send + Sync {
    /// The component with this digest.
    async fn module_bytes(&self, digest: ModuleDigest) -> Result<Vec<u8>, ModuleLoadError>;
}

/// Makes and runs guests.
#[async_trait]
pub trait GuestHost: Send + Sync {
    /// Checks a component and asks it what it defines. Leaves it compiled, so
    /// that starting a run of it does not wait for the compiler.
    async fn inspect(
        &self,
        digest: ModuleDigest,
        bytes: &[u8],
    ) -> Result<ModuleDefinitions, ModuleRejected>;

    /// Whether [`Self::launch`] of this code begins at once. If it does not, the code
    /// has to be read or compiled first, for which nobody's answer should wait.
    fn is_at_hand(&self, _module: ModuleDigest) -> bool {
        true
    }

    /// Makes an instance for a run. It has done nothing yet. What it holds, it holds in
    /// `room`; so it is with the instances of the two that follow.
    async fn launch(
        &self,
        run: Arc<RunContext>,
        room: Arc<dyn Room>,
    ) -> Result<Box<dyn GuestInstance>, Blocked>;

    /// Replays a history, which must not be closed, to where the guest waits, and
    /// tells where that is.
    async fn trace(
        &self,
        run: Arc<RunContext>,
        room: Arc<dyn Room>,
        history: Vec<HistoryEvent>,
    ) -> Result<Trace, Blocked>;

    /// Replays the whole history of a closed run, and asks its guest. Changes nothing.
    async fn query_closed(
        &self,
        run: Arc<RunContext>,
        room: Arc<dyn Room>,
        history: Vec<HistoryEvent>,
        query: Query,
    ) -> Asked;

    /// Runs one attempt of an activity to its end. Dropping the future stops it.
    /// What it returns does not count if it was left to somebody outside.
    async fn run_activity(
        &self,
        task: ActivityTask,
        link: Arc<dyn AttemptLink>,
    ) -> Result<Payload, Failure>;

    /// How many instances of workflows may exist at a time; launching more
    /// waits. With 0, none is kept from one activation to the next.
    fn instances_max(&self) -> usize;

    /// How many attempts of activities may run at a time; starting more waits,
    /// while their timeouts run.
    fn activities_max(&self) -> usize;
}

/// Room in memory for one instance, out of what a node has for all of them.
#[async_trait]
pub trait Room: Send + Sync {
    /// Returns once there is room for an instance that holds so many bytes in all. It
    /// is suspended meanwhile, with what it holds already. If this is dropped, the
    /// instance is, too.
    async fn hold(&self, bytes: usize);
}

/// Room without end, for those who run few instances.
#[derive(Debug, Clone, Copy)]
pub struct Unbounded;

#[async_trait]
impl Room for Unbounded {
    async fn hold(&self, _bytes: usize) {}
}

/// The result of a replay that fits the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// How much the guest asked for that is not history yet.
    pub commands: usize,
}

/// Plays a whole history to the code that `run` names, and records nothing. What
/// the guest asks for past the end of history is counted and dropped.
pub async fn replay(
    host: &dyn GuestHost,
    run: Arc<RunContext>,
    room: Arc<dyn Room>,
    history: Vec<HistoryEvent>,
) -> Result<Replayed, Blocked> {
    if let Some(report) = has_gap(&history).or_else(|| made_by_newer(&history)) {
        return Err(report);
    }
    let pinned = history.iter().rev().find_map(|event| event.attributes.pinned_module());
    let replayed = run.module_digest;
    let turn = async { host.launch(run, room).await?.advance(history).await };
    let commands = turn.await.map_err(|blocked| blocked.between(pinned, replayed))?;
    Ok(Replayed { commands: commands.len() })
}

/// One instance of a workflow.
#[async_trait]
pub trait GuestInstance: Send {
    /// Takes recorded events, runs the guest until it waits with nothing left
    /// to deliver, and returns what it asked for that is not history yet.
    ///
    /// The first call gets the whole history; each later call gets the one input
    /// recorded since, so that what the guest asks for in answer is recorded
    /// before the next input. Commands that the caller records from a turn are
    /// *not* passed in again. After an error the instance is of no further use.
    async fn advance(&mut self, events: Vec<HistoryEvent>) -> Result<Vec<Command>, Blocked>;

    /// Asks a guest that has nothing left to do. It changes nothing about the run.
    async fn query(&mut self, query: Query) -> Asked;

    /// Offers an update to a guest that has nothing left to do. `at` is the time that
    /// it is told, and must be that of the event if it accepts.
    async fn offer_update(&mut self, update: Update, at: Timestamp) -> Offered;

    /// About how many bytes it holds. Changes only while one of the others runs.
    fn bytes(&self) -> usize;
}

/// What came of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// The guest answered.
    Answered(Result<Payload, Failure>),
    /// The guest waits for something else, and does not take queries there.
    Elsewhere(Waiting),
    /// The guest has returned, and does not answer queries after its end.
    Ended,
    /// The guest did not answer as it should. The instance is of no further use; the
    /// run is as it was.
    Broken(Blocked),
}

impl Asked {
    /// Whether the instance can go on.
    pub fn leaves_guest_usable(&self) -> bool {
        !matches!(self, Self::Broken(_))
    }
}

/// What came of offering an update.
#[derive(Debug, Clone, PartialEq)]
pub enum Offered {
    /// The guest took it on. These are its commands; the first says so.
    Accepted(Vec<Command>),
    /// The guest took it on and could not go on. The run is to be blocked; the update
    /// has not been accepted.
    Faulted(Blocked),
    /// The guest will not do it.
    Rejected(Failure),
    /// The guest waits for something else, and does not take updates there.
    Elsewhere,
    /// The guest did not decide as it should. The instance is of no further use; the
    /// run is as it was.
    Broken(Blocked),
}

/// Where a guest waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// For what; none if the guest has returned.
    pub waiting: Option<Waiting>,
    /// Where in its code, if it has names: one frame per line, the innermost first.
    pub backtrace: Option<String>,
    /// Signals that it has not taken, by name.
    pub untaken_signals: BTreeMap<SignalName, u64>,
    /// What its own code says it waits for, if it can be asked.
    pub report: Option<WaitsReport>,
}
