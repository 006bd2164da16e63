//! What a guest may ask for, before it is history.

use std::time::Duration;

use crate::attributes::AttributeChanges;
use crate::event::{ActivityOptions, ChildOptions, ContinuationOptions, Marker};
use crate::failure::Failure;
use crate::ids::{
    EventId, OperationId, QueryName, RunId, SignalName, TypeName, UpdateId, WorkflowId,
};
use crate::payload::Payload;
use crate::time::Timestamp;
use crate::update::Update;

/// One thing a workflow asked for during an activation.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Run an activity.
    ScheduleActivity {
        /// The guest's name for it.
        operation_id: OperationId,
        /// What to run.
        activity_type: TypeName,
        /// Its argument.
        input: Payload,
        /// How.
        options: ActivityOptions,
    },
    /// Wake the run at a time.
    StartTimer {
        /// The guest's name for it.
        operation_id: OperationId,
        /// Not before then.
        fire_at: Timestamp,
    },
    /// Start a child.
    StartChild(Box<StartChild>),
    /// Send another run a signal.
    SignalExternal(Box<SignalExternal>),
    /// Ask another run to cancel.
    CancelExternal(Box<CancelExternal>),
    /// Give an operation up.
    CancelOperation {
        /// Which one.
        operation_id: OperationId,
    },
    /// Take on an update that was offered. Always the first command of its turn.
    AcceptUpdate {
        /// Which one.
        update: Update,
        /// What the guest was told is the time; that of the event.
        offered_at: Timestamp,
    },
    /// Answer an update that was accepted.
    CompleteUpdate {
        /// Which one.
        update_id: UpdateId,
        /// The answer.
        outcome: Result<Payload, Failure>,
    },
    /// Show a value to those who ask. Becomes a row, and no event.
    Publish {
        /// Its name.
        name: QueryName,
        /// What it is from now on.
        value: Payload,
    },
    /// Note something in the history.
    RecordMarker(Marker),
    /// Ask an activity to cancel, and go on waiting for it.
    RequestCancelActivity {
        /// Which one.
        operation_id: OperationId,
        /// After so long it is stopped.
        grace: Duration,
    },
    /// Change what is said about the run: either the memo or search attributes.
    UpsertAttributes(AttributeChanges),
    /// The workflow function returned.
    Close(Outcome),
}

/// A child to start.
#[derive(Debug, Clone, PartialEq)]
pub struct StartChild {
    /// The guest's name for its start.
    pub started_operation_id: OperationId,
    /// The guest's name for its end.
    pub closed_operation_id: OperationId,
    /// What it runs.
    pub workflow_type: TypeName,
    /// Its argument.
    pub input: Payload,
    /// How.
    pub options: ChildOptions,
}

/// A signal to another run.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalExternal {
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// Who is to get it.
    pub workflow_id: WorkflowId,
    /// A certain run; none means the open one.
    pub run_id: Option<RunId>,
    /// What it is about.
    pub signal_name: SignalName,
    /// What it says.
    pub input: Payload,
}

/// A request to another run.
#[derive(Debug, Clone, PartialEq)]
pub struct CancelExternal {
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// Who is to be asked.
    pub workflow_id: WorkflowId,
    /// A certain run; none means the open one.
    pub run_id: Option<RunId>,
    /// The first run of a child: whichever run is that child by now is meant.
    pub first_run_id: Option<RunId>,
    /// Why, for people.
    pub reason: String,
    /// It is not asked, but terminated.
    pub terminate: bool,
}

/// How a workflow function ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// With a result.
    Completed(Payload),
    /// With a failure.
    Failed {
        /// The failure.
        failure: Failure,
        /// The signals that the next attempt is to get, if there is one. Not the
        /// guest's choice.
        unread_signals: Vec<EventId>,
    },
    /// Because it was asked to.
    Cancelled(String),
    /// As a new run.
    ContinueAsNew {
        /// What the new run runs.
        workflow_type: TypeName,
        /// Its argument.
        input: Payload,
        /// What else it asks for.
        options: Box<ContinuationOptions>,
        /// The signals that the new run is to get, by the events of this run.
        /// Not the guest's choice: the cursor knows which it did not take.
        unread_signals: Vec<EventId>,
    },
}
