//! From state and input to a transition. One rule set per file.

mod activity;
mod activity_control;
mod activity_outside;
mod activity_queue;
mod cancel;
mod chain;
mod child;
mod external;
mod fault;
#[cfg(test)]
pub(crate) mod fixtures;
mod options;
#[cfg(test)]
mod repeats;
mod reset;
mod run_timer;
mod signal;
mod start;
mod tags;
mod terminate;
mod timer;
mod turn;
mod update;

use dacapo_model::command::Command;
use dacapo_model::event::{OpenAttempt, TimeoutType};
use dacapo_model::execution::Blocked;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{EventId, OperationId, RequestId, RunId, UpdateId};
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::signal::Signal;
use dacapo_model::tag::TagChanges;
use dacapo_model::time::Timestamp;
use dacapo_model::update::Update;

pub use self::activity::PAUSED;
pub use self::activity_outside::{find as find_activity, not_in_time, not_running};
pub use self::child::{ChildOutcome, FromParent, child_run_id, implied};
pub use self::reset::{Reapply, Reset, ResetPoint, ResetRefused, reset};
pub use self::start::start;
use crate::state::RunState;
use crate::transition::Transition;

/// Something that happened to a run that has started.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Someone asks it to cancel.
    RequestCancel {
        /// Why, for people.
        reason: String,
        /// By which a repeat is recognised.
        request_id: Option<RequestId>,
    },
    /// Someone sends it a message.
    Signal(Signal),
    /// Someone asks it to do something, and waits for the answer.
    Update(Update),
    /// The guest was offered an update, and will not do it.
    UpdateRejected {
        /// Which one.
        update_id: UpdateId,
        /// Why.
        failure: Failure,
    },
    /// Someone ends it.
    Terminate {
        /// Why, for people.
        reason: String,
    },
    /// Someone makes another run go on in its place, from a part of a history.
    Reset {
        /// The other run.
        new_run_id: RunId,
    },
    /// An attempt of an activity returned.
    ActivityReturned {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// Which attempt.
        attempt: u32,
        /// What it returned.
        outcome: Result<Payload, Failure>,
    },
    /// An attempt of an activity ran out of time.
    ActivityTimedOut {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// Which attempt.
        attempt: u32,
        /// Which timeout.
        timeout_type: TimeoutType,
    },
    /// An attempt is alive, as it says itself, or whoever has it outside.
    ActivityHeartbeat {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// Which attempt.
        attempt: u32,
        /// What the next attempt is to be told.
        details: Option<Payload>,
        /// When it said so; the input may come later.
        heard_at: Timestamp,
    },
    /// An attempt that was asked to cancel is over, or was not under way.
    ActivityStopped {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// Which attempt.
        attempt: u32,
        /// Why, for the workflow.
        failure: Failure,
    },
    /// From now on the running attempt is completed from outside.
    ActivityMovedOutside {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// Which attempt, and since when it runs.
        open: OpenAttempt,
    },
    /// Somebody outside says how an attempt ended.
    ActivityReported {
        /// Which one.
        activity: ActivityTarget,
        /// How.
        report: Report,
    },
    /// The time of a task is over, as its row says.
    TaskExpired {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// Which attempt.
        attempt: u32,
        /// The lease of the worker that has it; none if it waits for one.
        leased: Option<LeaseTimes>,
    },
    /// An operator holds an activity, lets it go on, or makes it start over.
    ControlActivity {
        /// The guest's name for it.
        operation_id: OperationId,
        /// What to do.
        control: ActivityControl,
        /// Why, for people.
        reason: String,
    },
    /// The time of a timer row has come: of a timer, of a retry, or of an attempt
    /// outside.
    TimerDue {
        /// The event the row belongs to.
        event_id: EventId,
    },
    /// A child has started.
    ChildStarted {
        /// Its `StartChildWorkflowExecutionInitiated`.
        initiated_event_id: EventId,
    },
    /// A child can't start.
    ChildStartFailed {
        /// Its `StartChildWorkflowExecutionInitiated`.
        initiated_event_id: EventId,
        /// Why.
        failure: Failure,
    },
    /// A child has closed. See [`implied`].
    ChildClosed {
        /// Its `StartChildWorkflowExecutionInitiated`.
        initiated_event_id: EventId,
        /// How.
        outcome: ChildOutcome,
    },
    /// Another run has recorded what it was asked, or can't.
    ExternalReached {
        /// The event that asked for it.
        initiated_event_id: EventId,
        /// Why it can't, if so.
        outcome: Result<(), Failure>,
    },
    /// The parent of this run tells it something.
    FromParent {
        /// The parent.
        parent_run_id: RunId,
        /// The `StartChildWorkflowExecutionInitiated` of the child it means.
        initiated_event_id: EventId,
        /// What.
        message: FromParent,
    },
    /// The time of the run's own timer row has come.
    RunTimerDue {
        /// The run itself, from which the id of its next attempt follows.
        run_id: RunId,
    },
    /// The guest ran until it waited or ended.
    GuestTurn {
        /// The run itself, from which the ids of what it starts follow.
        run_id: RunId,
        /// What it asked for.
        commands: Vec<Command>,
    },
    /// The guest could not go on.
    GuestFault {
        /// Why.
        blocked: Blocked,
    },
    /// Someone asks to try a blocked run again.
    Retry,
    /// A replay has shown that the run can go on with other code, and it is to.
    Move {
        /// The code.
        module_digest: ModuleDigest,
    },
    /// Someone changes its tags.
    ChangeTags(TagChanges),
}

/// An activity as those name it who are not the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActivityTarget {
    /// By the guest's name for it.
    Operation(OperationId),
    /// By what its token says.
    Token {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// Of the secret.
        digest: String,
    },
    /// By the lease of a worker, which the row of the task has shown to be its own.
    Lease {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// Among all attempts, also those before a reset.
        attempt: u32,
    },
}

/// Since when a worker has a task, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTimes {
    /// When its attempt began.
    pub started_at: Timestamp,
    /// When its lease is over, unless it is prolonged.
    pub expires_at: Timestamp,
}

/// How an attempt ended, as somebody outside says.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// With a result.
    Completed(Payload),
    /// With a failure; it may be tried again.
    Failed(Failure),
    /// Because it was asked to cancel.
    Canceled(Failure),
}

/// What an operator may do to an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityControl {
    /// No further attempt begins.
    Pause,
    /// Attempts begin again, the next one at once.
    Unpause,
    /// Attempt 1 begins at once.
    Reset {
        /// It is not told what the last heartbeat said.
        forget_heartbeat: bool,
    },
}

/// Why an input changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The run is closed.
    #[error("the run is closed")]
    Closed,
    /// It has happened already, or is about something that is over.
    #[error("it has no effect any more")]
    Stale,
    /// A signal with this request id was recorded before.
    #[error("it was recorded before")]
    Repeated {
        /// By this event; none if a run that this one follows has recorded it.
        event_id: Option<EventId>,
    },
    /// Not before its time.
    #[error("it is not due before {0}")]
    TooEarly(Timestamp),
    /// It has had all the signals that one run may have.
    #[error("the run has had {max} signals")]
    TooManySignals {
        /// How many are allowed.
        max: u64,
    },
    /// It has had all the updates that one run may have.
    #[error("the run has had {max} updates")]
    TooManyUpdates {
        /// How many are allowed.
        max: u64,
    },
    /// As many of its updates as may be have no outcome yet.
    #[error("{max} updates of the run have no outcome yet")]
    TooManyUpdatesInFlight {
        /// How many are allowed.
        max: usize,
    },
    /// The run has no such activity, or it has its outcome.
    #[error("there is no such activity, or it has ended")]
    NoSuchActivity,
    /// A worker reports an attempt, and a later one is under way or waits.
    #[error("its lease is over: the activity is at a later attempt")]
    LeaseLost,
    /// The attempt is not to be completed from outside.
    #[error("its attempt is not to be completed from outside")]
    ActivityNotOpen,
    /// The workflow did not ask for it.
    #[error("the workflow did not ask the activity to cancel")]
    CancelNotRequested,
    /// What is asked for would be recorded, and there is no room.
    #[error("the history has {max} events, which is all that one run may have")]
    HistoryFull {
        /// How many are allowed.
        max: u64,
    },
    /// It would have more tags than it may.
    #[error("the run would have {count} tags")]
    TooManyTags {
        /// How many.
        count: usize,
    },
    /// It is for a child of another run.
    #[error("the run is not the child that is meant")]
    NotTheChild,
    /// Only a blocked run can be tried again.
    #[error("the run is not blocked")]
    NotBlocked,
}

/// Decides what an input changes, and changes `state` so. A refusal leaves the
/// state as it was.
pub fn decide(
    state: &mut RunState,
    input: Input,
    now: Timestamp,
    limits: &Limits,
) -> Result<Transition, Refusal> {
    if !state.status.is_open() {
        return Err(match &input {
            Input::Signal(signal) => signal::repeated(state, signal).unwrap_or(Refusal::Closed),
            Input::Update(update) if update::is_repeat(state, update) => Refusal::Stale,
            _ => Refusal::Closed,
        });
    }
    match input {
        Input::RequestCancel { reason, request_id } => {
            cancel::request(state, reason, request_id, now)
        }
        Input::Signal(signal) => signal::receive(state, signal, now, limits),
        Input::Update(update) => update::receive(state, update, now, limits),
        Input::UpdateRejected { update_id, failure } => update::rejected(state, update_id, failure),
        Input::Terminate { reason } => Ok(terminate::terminate(state, reason, now)),
        Input::Reset { new_run_id } => Ok(terminate::reset(state, new_run_id, now)),
        Input::ActivityReturned { scheduled_event_id, attempt, outcome } => {
            activity::returned(state, scheduled_event_id, attempt, outcome, now)
        }
        Input::ActivityTimedOut { scheduled_event_id, attempt, timeout_type } => {
            activity::timed_out(state, scheduled_event_id, attempt, timeout_type, now)
        }
        Input::ActivityHeartbeat { scheduled_event_id, attempt, details, heard_at } => {
            activity::heartbeat(state, scheduled_event_id, attempt, details, heard_at)
        }
        Input::ActivityStopped { scheduled_event_id, attempt, failure } => {
            activity::stopped(state, scheduled_event_id, attempt, failure, now)
        }
        Input::ActivityMovedOutside { scheduled_event_id, open } => {
            activity_outside::move_outside(state, scheduled_event_id, open, now, limits)
        }
        Input::ActivityReported { activity, report } => {
            activity_outside::reported(state, &activity, report, now)
        }
        Input::TaskExpired { scheduled_event_id, attempt, leased } => {
            activity_queue::expired(state, scheduled_event_id, attempt, leased, now)
        }
        Input::ControlActivity { operation_id, control, reason } => {
            activity_control::control(state, operation_id, control, reason, now, limits)
        }
        Input::TimerDue { event_id } => timer::due(state, event_id, now),
        Input::ChildStarted { initiated_event_id } => {
            child::started(state, initiated_event_id, now)
        }
        Input::ChildStartFailed { initiated_event_id, failure } => {
            child::start_failed(state, initiated_event_id, failure, now)
        }
        Input::ChildClosed { initiated_event_id, outcome } => {
            child::closed(state, initiated_event_id, outcome, now)
        }
        Input::ExternalReached { initiated_event_id, outcome } => {
            external::reached(state, initiated_event_id, outcome, now)
        }
        Input::FromParent { parent_run_id, initiated_event_id, message } => {
            child::from_parent(state, parent_run_id, initiated_event_id, message, now)
        }
        Input::RunTimerDue { run_id } => run_timer::due(state, run_id, now),
        // Only of a history that is corrupt.
        Input::GuestTurn { .. } if state.delayed_until.is_some() => Err(Refusal::Stale),
        Input::GuestTurn { run_id, commands } => {
            Ok(turn::turn(state, run_id, commands, now, limits))
        }
        Input::GuestFault { blocked } => Ok(fault::fault(state, blocked, now)),
        Input::Retry => fault::retry(state),
        Input::Move { module_digest } => options::pin(state, module_digest, now),
        Input::ChangeTags(changes) => tags::change(state, &changes, now, limits),
    }
}

/// Whether an event that no code of the run asked for may be recorded.
fn has_room(state: &RunState, history_events_max: u64) -> Result<(), Refusal> {
    if state.next_event_id.0 > history_events_max {
        return Err(Refusal::HistoryFull { max: history_events_max });
    }
    Ok(())
}
