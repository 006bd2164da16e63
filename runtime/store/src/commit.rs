//! The hot path: all writes of runs go through one call.

use async_trait::async_trait;
use dacapo_model::attributes::RunAttributes;
use dacapo_model::event::{HistoryEvent, HistorySize};
use dacapo_model::execution::{Blocked, Execution, ExecutionStatus};
use dacapo_model::ids::{EventId, QueryName, RunKey, UpdateId};
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::tag::Tags;
use dacapo_model::time::Timestamp;
use dacapo_model::update::AdmittedUpdate;

use crate::error::Result;
use crate::shard::Ownership;
use crate::task::TaskChange;
use crate::timer::TimerRow;

/// What one activation or one request changes about one run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunTransition {
    /// The run.
    pub key: RunKey,
    /// Appended to its history; ids follow each other without gaps.
    pub events: Vec<HistoryEvent>,
    /// What changes in its summary, if anything that it shows.
    pub execution: ExecutionChange,
    /// Timers to set. A timer of the same event is replaced.
    pub timers_set: Vec<TimerRow>,
    /// Timers to remove, by the event they belong to. Missing ones are no error,
    /// and a timer that is set as well stays set.
    pub timers_cleared: Vec<EventId>,
    /// Updates to keep until the guest decides.
    pub updates_set: Vec<AdmittedUpdate>,
    /// Updates to remove. Missing ones are no error, and one that is set as well
    /// stays.
    pub updates_removed: Vec<UpdateId>,
    /// Published values to set, in place of those of the same name.
    pub query_results_set: Vec<(QueryName, Payload)>,
    /// What becomes of its tasks, in this order.
    pub tasks: Vec<TaskChange>,
}

impl RunTransition {
    /// One that changes nothing yet.
    pub fn new(key: RunKey) -> Self {
        Self {
            key,
            events: Vec::new(),
            execution: ExecutionChange::None,
            timers_set: Vec::new(),
            timers_cleared: Vec::new(),
            updates_set: Vec::new(),
            updates_removed: Vec::new(),
            query_results_set: Vec::new(),
            tasks: Vec::new(),
        }
    }
}

/// What happens to the row of `workflow_executions`.
#[derive(Debug, Clone, PartialEq)]
pub enum ExecutionChange {
    /// Nothing that it shows has changed.
    None,
    /// A new run.
    Insert(Box<Execution>),
    /// It closed, was blocked, or goes on.
    Update(Box<ExecutionUpdate>),
}

/// The columns of a run's summary that change after its start.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionUpdate {
    /// The new status.
    pub status: ExecutionStatus,
    /// Why it is blocked; none for all other statuses.
    pub blocked: Option<Blocked>,
    /// When it closed; none while it is open.
    pub closed_at: Option<Timestamp>,
    /// The code that it is moved to; none if it stays where it is.
    pub module_digest: Option<ModuleDigest>,
    /// All that is said about it from now on; none if that has not changed.
    pub attributes: Option<RunAttributes>,
    /// All tags that it has from now on; none if they have not changed. They are a part of the
    /// attributes, and have rows of their own.
    pub tags: Option<Tags>,
    /// How long its history is, if it has closed; none while it is open.
    pub history_size: Option<HistorySize>,
}

/// Transitions that are committed together or not at all. Most hold one; a
/// start that replaces an open run holds two. They are applied in order; unique
/// keys are checked on what the whole commit leaves behind, not on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitUnit {
    /// At least one.
    pub transitions: Vec<RunTransition>,
}

/// Writing runs.
#[async_trait]
pub trait CommitStore: Send + Sync {
    /// Writes all units in one database transaction.
    ///
    /// With [`StoreError::Conflict`](crate::error::StoreError::Conflict) and
    /// [`Fenced`](crate::error::StoreError::Fenced) nothing of any unit was
    /// written. A fence names a shard of a unit that is to blame. Of a conflict the
    /// store does not say which unit it was: the caller commits fewer of them to find
    /// out. With both reasons at hand it says `Fenced`.
    ///
    /// The event before each new one has to be there, stored or in the same commit.
    /// Else the answer is [`WentBack`](crate::error::StoreError::WentBack), unless
    /// it is `Fenced`, and nothing was written; nor may anything be until the shards
    /// are taken again. A change of a run that does not exist is
    /// [`Corrupt`](crate::error::StoreError::Corrupt), what the database can't
    /// keep is [`Rejected`](crate::error::StoreError::Rejected), and nothing was
    /// written then, either.
    async fn commit(&self, ownership: &Ownership, units: &[CommitUnit]) -> Result<()>;

    /// How many commits should be under way at a time, of different runs. More
    /// than one pays where one can write while another waits for the disk.
    fn commits_at_once(&self) -> usize {
        1
    }
}
