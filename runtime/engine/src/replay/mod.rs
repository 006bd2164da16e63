//! The cursor: the only thing between a guest and its history.
//!
//! A guest runs until it waits. Only then is the next input delivered: from
//! history on replay, from what was just recorded when live; one at a time, in
//! history order. What the guest asks for is matched with the next recorded
//! command, or, past the end of history, becomes a new one. Each call is O(1).
//!
//! ```text
//!                          ┌───── deliver the next input ◀────┐
//!                          ▼                                  │
//!  guest runs ── asks ── matches the next recorded command    │
//!      │                   │ none is left: a new command      │
//!      │                   │ another is recorded: nondeterminism
//!      └── waits ──────────┴── an input is left in history ───┘
//!                          │ none is left: the activation is over
//!                          ▼
//!                  commands go to `decide`
//! ```
//!
//! The cursor does not know whether it replays: at the end of history it simply
//! has nothing more to match.
//!
//! Inputs may stand in history before commands that the guest asks for first: those
//! recorded while the run was blocked, or before the guest ran. The cursor sets them
//! aside (`overtaken`) when it meets the interruption, and delivers them when the guest
//! waits.

mod activities;
mod attributes;
mod calls;
mod deadline;
mod live;
mod markers;
mod matching;
mod operation;
mod published;
mod relations;
mod report;
mod run;
mod signals;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use dacapo_model::attributes::RunAttributes;
use dacapo_model::command::Command;
use dacapo_model::event::{HistoryEvent, WorkflowExecutionStarted};
use dacapo_model::execution::Nondeterminism;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{
    ChangeId, EventId, OperationId, QueryName, RunId, SignalName, UpdateId, ValueName,
};
use dacapo_model::limits::Limits;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_model::update::Update;

use self::activities::Activities;
use self::deadline::Deadline;
use self::live::Live;
pub use self::live::{Offer, Reply};
use self::markers::Markers;
pub(crate) use self::matching::command_bytes;
pub use self::matching::has_begun;
use self::operation::Operation;
use self::published::Published;
use self::relations::Relations;
use self::signals::Signals;
pub use self::waiting::Waiting;
use crate::compat::{ENGINE_VERSION, monotonic_start};

/// Something that happened to a run, as its guest is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// An operation ended.
    Completed {
        /// Which one.
        operation_id: OperationId,
        /// How.
        outcome: Result<Payload, Failure>,
    },
    /// Someone sent the run a message.
    Signal {
        /// What it is about.
        name: SignalName,
        /// What it says.
        input: Payload,
    },
    /// Someone asks about the run. The guest must answer and wait again before it
    /// does anything else.
    Query {
        /// By which the answer is recognised.
        id: String,
        /// What it asks for.
        name: QueryName,
        /// Its argument.
        input: Payload,
    },
    /// Someone asks the run to do something. The guest must accept or reject it before
    /// it does anything else.
    Update(Update),
    /// Someone asked the run to cancel.
    CancelRequested {
        /// Why, for people.
        reason: String,
    },
}

/// Why a guest's call can't be answered. The guest must be stopped.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The code does not fit the history.
    #[error("event {}: history has {}, but the code {}", .0.event_id, .0.recorded, .0.attempted)]
    Nondeterminism(Box<Nondeterminism>),
    /// The guest names an operation that it never started, or whose outcome it
    /// had already.
    #[error("operation {0} was never started, or its outcome was delivered already")]
    UnknownOperation(OperationId),
    /// The guest treats as an activity what is none.
    #[error("operation {0} is no activity")]
    NotAnActivity(OperationId),
    /// The guest gives a signal back that it was not given.
    #[error("signal {number} was not delivered: signals are counted from 1 as they are delivered")]
    UnknownSignal {
        /// Its number.
        number: u32,
    },
    /// The guest answers a query that it does not have.
    #[error("query {id} was never delivered, or was answered already")]
    UnknownQuery {
        /// Its id.
        id: String,
    },
    /// The guest names an update that it does not have.
    #[error("update {0} is not there to decide about or to answer")]
    UnknownUpdate(UpdateId),
    /// The guest does something that can't be undone while it has a query.
    #[error(
        "the code {attempted} while it answered a query. A query changes nothing: answer it with \
         what is known, and wait for what is next"
    )]
    DuringQuery {
        /// What it did.
        attempted: String,
    },
    /// The guest does something else before it decides about an update.
    #[error(
        "the code {attempted} before it had accepted or rejected update {update_id}, so the update \
         was rejected"
    )]
    BeforeDecision {
        /// Which update.
        update_id: UpdateId,
        /// What it did.
        attempted: String,
    },
    /// The guest does something about an update that it has rejected.
    #[error("the code {attempted} after it had rejected an update: a rejection changes nothing")]
    AfterRejection {
        /// What it did.
        attempted: String,
    },
    /// The guest publishes under too many names.
    #[error("more than {max} values were published by one run")]
    TooManyPublished {
        /// How many are allowed.
        max: usize,
    },
    /// What the guest has published is too large together.
    #[error("the values that the run has published have more than {max} bytes together")]
    TooManyPublishedBytes {
        /// How many bytes are allowed.
        max: usize,
    },
    /// The run follows a version of a change that the code does not.
    #[error(
        "version {version} of change `{change_id}` {problem}, which supports versions {min} to \
         {max}"
    )]
    UnsupportedVersion {
        /// Which change.
        change_id: ChangeId,
        /// The version that the run follows.
        version: u32,
        /// Whether it is too old or too new.
        problem: &'static str,
        /// The oldest version that the code follows.
        min: u32,
        /// The newest.
        max: u32,
        /// Where, unless it is past the end of history.
        report: Option<Box<Nondeterminism>>,
    },
    /// The guest asked for a value that is not recorded, and did something else
    /// than recording it.
    #[error("value `{name}` was asked for, and must be recorded before anything else is done")]
    UnrecordedValue {
        /// Which value.
        name: ValueName,
    },
    /// The guest records a value that it was not told to record.
    #[error("value `{name}` is to be recorded, but it was not asked for just before")]
    UnaskedValue {
        /// Which value.
        name: ValueName,
    },
    /// The run notes more things than it may.
    #[error("the run would have more than {max} {what}")]
    TooManyNotes {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        max: usize,
    },
    /// The values that are recorded when they change are too large together.
    #[error("the values that are recorded when they change have more than {max} bytes together")]
    TooManyLatestBytes {
        /// How many bytes are allowed.
        max: usize,
    },
    /// One activation asks for too much.
    #[error("more than {max} operations were asked for between two waits")]
    TooManyCommands {
        /// How many are allowed.
        max: usize,
    },
    /// One activation's inputs are too large together.
    #[error("the inputs of what was asked for between two waits have more than {max} bytes")]
    TooManyCommandBytes {
        /// How many bytes are allowed.
        max: usize,
    },
}

/// What one activation may ask for. The host's memory, not the guest's, holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Commands.
    pub commands_max: usize,
    /// Bytes of their inputs together.
    pub command_bytes_max: usize,
}

impl From<&Limits> for Budget {
    fn from(limits: &Limits) -> Self {
        Self {
            // Each operation may be started and cancelled.
            commands_max: limits.pending_operations_max.saturating_mul(2).saturating_add(1),
            command_bytes_max: limits.transition_bytes_max,
        }
    }
}

/// The answer to a call that may wait.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer<T> {
    /// Here it is.
    Ready(T),
    /// Nothing more is recorded. The guest waits; the activation is over.
    Blocked,
}

/// The state of one guest's conversation with its history.
#[derive(Debug)]
pub struct Cursor {
    /// Recorded, but not reached yet.
    history: VecDeque<HistoryEvent>,
    /// Inputs that were recorded while the run was blocked, or before its guest
    /// ran for the first time. Delivered before anything that is still in
    /// `history`.
    overtaken: VecDeque<HistoryEvent>,
    /// True between a `WorkflowTaskFailed` and the next recorded command.
    overtaking: bool,
    /// Time of the last delivered event.
    now: Timestamp,
    started: Option<Box<WorkflowExecutionStarted>>,
    started_at: Timestamp,
    /// By operation id, from 1.
    operations: Vec<Operation>,
    relations: Relations,
    /// What was delivered to the cursor and not taken by the guest, in order. May
    /// hold things that a wait for one operation has taken since.
    arrivals: VecDeque<Arrival>,
    signals: Signals,
    markers: Markers,
    activities: Activities,
    cancel: Cancel,
    /// What the guest waits for, if it does.
    waiting: Option<Waiting>,
    /// The timer of a wait that does not last for ever.
    deadline: Option<Deadline>,
    /// What the guest has that is not in history.
    live: Live,
    /// Queries that were delivered.
    queries: u64,
    /// Updates that the guest took on and has not answered.
    accepted: BTreeSet<UpdateId>,
    published: Published,
    /// The memo and the search attributes of the run.
    run_attributes: RunAttributes,
    /// The run id that the guest is told, if it is not the run's own.
    seen_run_id: Option<RunId>,
    /// The last event that was delivered.
    delivered: EventId,
    /// About how many bytes of history were delivered or asked for.
    bytes: u64,
    /// Asked for since [`Cursor::take_commands`], and not in history.
    commands: Vec<Command>,
    command_bytes: usize,
    budget: Budget,
    closed: bool,
}

/// One thing that `next` may return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    Outcome(OperationId),
    /// The one at this place among all signals.
    Signal(usize),
    /// The one that [`Live`] holds.
    Update,
    CancelRequest,
}

/// What became of a request to cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cancel {
    NotRequested,
    Requested { reason: String },
    Delivered,
}

impl Cursor {
    /// A cursor that has seen nothing yet.
    pub fn new(budget: Budget) -> Self {
        Self {
            history: VecDeque::new(),
            overtaken: VecDeque::new(),
            overtaking: false,
            now: Timestamp::default(),
            started: None,
            started_at: Timestamp::default(),
            operations: Vec::new(),
            relations: Relations::default(),
            arrivals: VecDeque::new(),
            signals: Signals::default(),
            markers: Markers::default(),
            activities: Activities::default(),
            cancel: Cancel::NotRequested,
            waiting: None,
            deadline: None,
            live: Live::None,
            queries: 0,
            accepted: BTreeSet::new(),
            published: Published::default(),
            run_attributes: RunAttributes::default(),
            seen_run_id: None,
            delivered: EventId(0),
            bytes: 0,
            commands: Vec::new(),
            command_bytes: 0,
            budget,
            closed: false,
        }
    }

    /// Adds recorded events: first a whole history, then one input at a time.
    pub fn extend(&mut self, events: impl IntoIterator<Item = HistoryEvent>) {
        self.history.extend(events);
    }

    /// What the guest asked for that is not history yet.
    pub fn take_commands(&mut self) -> Vec<Command> {
        self.command_bytes = 0;
        let mut commands = std::mem::take(&mut self.commands);
        if self.published.has_fresh() {
            // Accepting an update stays in front, and closing the run at the end.
            let at = usize::from(matches!(commands.first(), Some(Command::AcceptUpdate { .. })));
            commands.splice(at..at, self.published.take_fresh());
        }
        commands
    }

    /// What the guest waits for; none while it runs, and once it has ended.
    pub fn waiting(&self) -> Option<&Waiting> {
        self.waiting.as_ref()
    }

    /// True while what the guest does has been done before; its log is silent.
    pub fn is_replaying(&self) -> bool {
        !self.history.is_empty()
    }

    /// The run's logical time: that of the last delivered event.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// When the run started.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// What a clock shows that only goes forward, and is at 0 some time before the start.
    pub fn monotonic(&self) -> Duration {
        self.monotonic_start().saturating_add(self.now.since(self.started_at))
    }

    /// When that clock shows so much.
    pub fn at_monotonic(&self, shown: Duration) -> Timestamp {
        self.started_at.after(shown.saturating_sub(self.monotonic_start()))
    }

    fn monotonic_start(&self) -> Duration {
        // Without a start: an instance that is only asked what it defines.
        let version = self.started.as_ref().map_or(ENGINE_VERSION, |it| it.engine_version);
        monotonic_start(version)
    }

    /// Whether a request to cancel has been recorded and reached.
    pub fn is_cancel_requested(&self) -> bool {
        self.cancel != Cancel::NotRequested
    }
}
