//! The same operation on every run that a filter matches. The input of the run says what
//! ([`BatchSpec`]); its one kind of activity does it with a part of them, from the newest
//! run to the oldest, and says where the next part begins. So runs that were started after
//! the batch are not in it, and none is in it twice.
//!
//! ```text
//!  start ──▶ part 1 ──▶ part 2 ──▶ … ──▶ completed, with the counts as its result
//!              │  ▲
//!        pause ▼  │ resume                a part that was told to cancel ends early, and
//!             (waits)                     says how far it has come
//! ```

use std::time::Duration;

use dacapo_engine::replay::{Answer, Cursor, Delivery};
use dacapo_model::command::Outcome;
use dacapo_model::event::{ActivityOptions, AskedActivityOptions, WorkflowExecutionStarted};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{OperationId, QueryName, SignalName, TypeName};
use dacapo_model::payload::Payload;
use serde::{Deserialize, Serialize};

use super::program::{Fault, Program, decline, own};
use crate::types::{BatchProgress, BatchSpec};

/// The value that a batch publishes: its [`BatchProgress`].
pub(crate) const PROGRESS: &str = "progress";

/// Signals that a batch takes.
pub(crate) const PAUSE: &str = "pause";
pub(crate) const RESUME: &str = "resume";

/// The activity that does a part.
const PART: &str = "part";

/// Time for one attempt at a part: more than it takes.
const PART_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// A part says that it is alive, and how far it has come.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a part that was told to cancel may take to end.
const GRACE: Duration = Duration::from_secs(60);

/// What a part begins with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartInput {
    /// Where the part before ended.
    pub(crate) after: Option<String>,
}

/// How a part ended; also what it says in its heartbeats.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartOutcome {
    /// How far it came; none if nothing was done yet.
    pub(crate) after: Option<String>,
    /// There is nothing left to be done.
    pub(crate) is_last: bool,
    /// What was done.
    #[serde(flatten)]
    pub(crate) progress: BatchProgress,
}

/// What the run of a batch has as its input.
pub(crate) fn input(spec: &BatchSpec) -> Payload {
    Payload::new(serde_json::to_vec(spec).expect("plain data"))
}

/// What a batch does, by the input of its run.
pub(crate) fn spec(started: &WorkflowExecutionStarted) -> Result<BatchSpec, String> {
    serde_json::from_slice(started.input.as_bytes())
        .map_err(|error| format!("its input is no batch: {error}"))
}

struct Batch {
    progress: BatchProgress,
    /// Where the next part begins.
    after: Option<String>,
    /// The part that is being done.
    part: Option<OperationId>,
    /// Nothing more is to be begun.
    stopped: Option<String>,
}

pub(super) fn begin(
    started: &WorkflowExecutionStarted,
    cursor: &mut Cursor,
) -> Result<Box<dyn Program>, Fault> {
    spec(started).map_err(Fault::Unreadable)?;
    let mut batch =
        Batch { progress: BatchProgress::default(), after: None, part: None, stopped: None };
    if let Some(reason) = cursor.cancelled_before_it_began() {
        let reason = reason.to_owned();
        cursor.close(Outcome::Cancelled(reason))?;
    } else {
        batch.publish(cursor)?;
        batch.begin_part(cursor)?;
    }
    Ok(Box::new(batch))
}

impl Program for Batch {
    fn go_on(&mut self, cursor: &mut Cursor) -> Result<(), Fault> {
        while !cursor.is_closed() {
            match cursor.next()? {
                Answer::Blocked => return Ok(()),
                Answer::Ready(Delivery::Completed { outcome, .. }) => {
                    self.part = None;
                    match outcome {
                        Ok(outcome) => self.part_ended(&outcome, cursor)?,
                        Err(failure) => self.part_failed(failure, cursor)?,
                    }
                }
                Answer::Ready(Delivery::Signal { name, .. }) => self.signalled(&name, cursor)?,
                Answer::Ready(Delivery::CancelRequested { reason }) => {
                    self.stopped = Some(reason);
                    self.interrupt(cursor)?;
                }
                Answer::Ready(other) => decline(cursor, other)?,
            }
        }
        Ok(())
    }
}

impl Batch {
    fn part_ended(&mut self, outcome: &Payload, cursor: &mut Cursor) -> Result<(), Fault> {
        let outcome: PartOutcome = serde_json::from_slice(outcome.as_bytes())
            .map_err(|error| Fault::Unreadable(format!("a part ended as no part does: {error}")))?;
        self.progress.add(outcome.progress);
        self.after = outcome.after;
        self.publish(cursor)?;
        if outcome.is_last {
            let result = serde_json::to_vec(&self.progress).expect("plain data");
            cursor.close(Outcome::Completed(Payload::new(result)))?;
            return Ok(());
        }
        self.go_further(cursor)
    }

    /// What is tried again as often as it takes failed for good.
    fn part_failed(&mut self, failure: Failure, cursor: &mut Cursor) -> Result<(), Fault> {
        let failure = own(failure);
        // It was told to cancel while no attempt ran: what it has done will be done again.
        if failure.info.kind == FailureKind::Cancelled || self.stopped.is_some() {
            return self.go_further(cursor);
        }
        Ok(cursor.close(Outcome::Failed { failure, unread_signals: Vec::new() })?)
    }

    fn signalled(&mut self, name: &SignalName, cursor: &mut Cursor) -> Result<(), Fault> {
        let paused = match name.as_str() {
            PAUSE => true,
            RESUME => false,
            _ => return Ok(()),
        };
        if self.progress.paused == paused {
            return Ok(());
        }
        self.progress.paused = paused;
        self.publish(cursor)?;
        if paused { self.interrupt(cursor) } else { self.go_further(cursor) }
    }

    /// Ends what is being done as soon as it can.
    fn interrupt(&mut self, cursor: &mut Cursor) -> Result<(), Fault> {
        match self.part {
            Some(part) => cursor.request_cancel_activity(part, GRACE)?,
            None => self.go_further(cursor)?,
        }
        Ok(())
    }

    /// Begins the next part, unless one is being done, or none is to be.
    fn go_further(&mut self, cursor: &mut Cursor) -> Result<(), Fault> {
        if self.part.is_some() {
            return Ok(());
        }
        match self.stopped.take() {
            Some(reason) => cursor.close(Outcome::Cancelled(reason))?,
            None if self.progress.paused => {}
            None => self.begin_part(cursor)?,
        }
        Ok(())
    }

    fn begin_part(&mut self, cursor: &mut Cursor) -> Result<(), Fault> {
        let input = serde_json::to_vec(&PartInput { after: self.after.clone() });
        let input = Payload::new(input.expect("plain data"));
        let part = TypeName::new(PART).expect("a name");
        self.part = Some(cursor.start_activity(part, input, part_options())?);
        Ok(())
    }

    fn publish(&self, cursor: &mut Cursor) -> Result<(), Fault> {
        let progress = Payload::new(serde_json::to_vec(&self.progress).expect("plain data"));
        cursor.publish(QueryName::new(PROGRESS).expect("a name"), progress)?;
        Ok(())
    }
}

fn part_options() -> ActivityOptions {
    ActivityOptions::from(AskedActivityOptions {
        start_to_close_timeout: Some(PART_TIMEOUT),
        heartbeat_timeout: Some(HEARTBEAT_TIMEOUT),
        ..AskedActivityOptions::default()
    })
}
