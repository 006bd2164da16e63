//! What a run's actor is told.

use std::sync::Arc;

use dacapo_engine::decide::{ActivityTarget, Input, Refusal, Reset};
use dacapo_engine::guest::AttemptSignals;
use dacapo_engine::state::UpdateStage;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::{Blocked, IdConflictPolicy};
use dacapo_model::ids::{EventId, RequestId, RunId, UpdateId};
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use tokio::sync::oneshot;

use super::{NewRun, ResetAnswer};
use crate::catalog::Choice;
use crate::error::ServiceError;
use crate::types::{RunDescription, WaitingDescription};
use crate::workload::Work;

/// The answer to an input: it was committed, or it has no effect, or it can't be
/// told (then the caller may ask again).
pub(crate) type InputAnswer = Result<Result<(), Refusal>, ServiceError>;

/// The answer to a heartbeat from outside.
pub(crate) type HeartbeatAnswer = Result<Result<AttemptSignals, Refusal>, ServiceError>;

/// A message on its way to an actor, which is work in hand.
pub(crate) struct Envelope {
    pub(crate) message: Message,
    pub(crate) work: Work,
}

/// A message to an actor.
pub(crate) enum Message {
    /// Something happened.
    Input {
        /// What.
        input: Input,
        /// Who waits for it to be committed.
        answer: Option<oneshot::Sender<InputAnswer>>,
    },
    /// Someone wants to start a run of the same workflow id.
    Join {
        /// By which a repeat of this run's own start is recognised.
        request_id: Option<RequestId>,
        /// What to do about the conflict.
        policy: IdConflictPolicy,
        /// What to start if this run is to be terminated.
        replacement: Box<NewRun>,
        /// Keeps the code of that.
        chosen: Choice,
        /// Who waits.
        answer: oneshot::Sender<Result<JoinAnswer, ServiceError>>,
    },
    /// Someone wants this run to end, and another to begin with a part of a
    /// history.
    Reset {
        /// Which part, and what for.
        reset: Box<Reset>,
        /// The history; none if it is this run's.
        base: Option<Arc<Vec<HistoryEvent>>>,
        /// Keeps the code of the run that begins.
        chosen: Choice,
        /// Who waits.
        answer: oneshot::Sender<Result<ResetAnswer, ServiceError>>,
    },
    /// Someone wants to know how the run is.
    Describe {
        /// Who waits.
        answer: oneshot::Sender<Result<RunDescription, ServiceError>>,
    },
    /// An attempt has come to its end, and is somebody else's to complete.
    AttemptLeft {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// Which one.
        attempt: u32,
    },
    /// Somebody outside says that an attempt is alive.
    Heartbeat {
        /// Which one.
        activity: ActivityTarget,
        /// What the next attempt is to be told.
        details: Option<Payload>,
        /// Who waits for what the attempt is to know.
        answer: oneshot::Sender<HeartbeatAnswer>,
    },
    /// Someone asks what its code knows.
    Query {
        /// What.
        query: Query,
        /// Who waits.
        answer: oneshot::Sender<Result<Payload, ServiceError>>,
    },
    /// Someone wants to know how far an update has come.
    UpdateStage {
        /// Which one.
        update_id: UpdateId,
        /// Who waits.
        answer: oneshot::Sender<Option<UpdateStage>>,
    },
    /// Someone wants to know where its code waits.
    Trace {
        /// Who waits.
        answer: oneshot::Sender<Result<WaitingDescription, ServiceError>>,
    },
    /// Others need the memory more.
    Evict,
    /// The store has what the run may not know of: a commit that had no verdict.
    Reread,
    /// Someone wants the run to go on with other code, if that fits.
    Move {
        /// The code.
        module_digest: ModuleDigest,
        /// Who waits.
        answer: oneshot::Sender<Result<MoveAnswer, ServiceError>>,
    },
}

/// What became of a request to move a run.
#[derive(Debug)]
pub(crate) enum MoveAnswer {
    /// It is committed, or the run was there already.
    Moved,
    /// The code does not fit; why.
    Refused(Box<Blocked>),
    /// The run has closed meanwhile.
    Closed,
}

/// What becomes of a start whose workflow id is taken.
pub(crate) enum JoinAnswer {
    /// This run is the answer: the policy says so.
    Existing(RunId),
    /// This run is the answer: a request with the same id started it.
    Repeated(RunId),
    /// Refused because of this run.
    Refused(RunId),
    /// This run was terminated, and the new one started.
    Replaced(RunId),
    /// This run goes on: the store does not take what replacing it would record.
    Rejected(Arc<str>),
    /// This run has closed meanwhile.
    Closed,
}
