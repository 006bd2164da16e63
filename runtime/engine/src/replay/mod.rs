//! The cursor: the only thing between a guest and its history.
//!
//! A guest runs until it waits. Only then is the next input delivered: from
//! history on replay, from what was just recorded when live; one at a time, in
//! history order. What the guest asks for is matched with the next recorded
//! command, or, past the end of history, becomes a new one. Each call is O(1).
//!
//! The cursor does not know whether it replays: at the end of history it simply
//! has nothing more to match.

mod calls;
mod matching;
mod operation;
mod report;
mod signals;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use dacapo_model::command::Command;
use dacapo_model::event::{HistoryEvent, WorkflowExecutionStarted};
use dacapo_model::execution::Nondeterminism;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{OperationId, SignalName};
use dacapo_model::limits::Limits;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;

use self::operation::Operation;
use self::signals::Signals;

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
    Nondeterminism(Nondeterminism),
    /// The guest names an operation that it never started, or whose outcome it
    /// had already.
    #[error("operation {0} was never started, or its outcome was delivered already")]
    UnknownOperation(OperationId),
    /// The guest gives a signal back that it was not given.
    #[error("signal {number} was not delivered: signals are counted from 1 as they are delivered")]
    UnknownSignal {
        /// Its number.
        number: u32,
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
    /// What was delivered to the cursor and not taken by the guest, in order. May
    /// hold things that a wait for one operation has taken since.
    arrivals: VecDeque<Arrival>,
    signals: Signals,
    cancel: Cancel,
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
            arrivals: VecDeque::new(),
            signals: Signals::default(),
            cancel: Cancel::NotRequested,
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
        std::mem::take(&mut self.commands)
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

    /// Whether a request to cancel has been recorded and reached.
    pub fn is_cancel_requested(&self) -> bool {
        self.cancel != Cancel::NotRequested
    }
}
