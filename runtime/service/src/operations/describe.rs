//! Describes a run.

use std::collections::BTreeMap;

use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::failure::Failure;
use dacapo_model::ids::{ChangeId, EventId, OperationId, TypeName};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use tokio::sync::oneshot;

use super::RunRef;
use super::locate::{Located, locate, no_answer};
use crate::Runtime;
use crate::error::Result;
use crate::run::{Message, deliver};

/// Everything that is known of a run without its history.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDescription {
    /// Its summary.
    pub execution: Execution,
    /// Events in its history.
    pub history_length: u64,
    /// Whether someone asked it to cancel. Of a closed run: whether that is how
    /// it closed.
    pub cancel_requested: bool,
    /// Activities without an outcome, in the order they were scheduled.
    pub pending_activities: Vec<ActivityDescription>,
    /// Timers that have not fired, in the order they were started.
    pub pending_timers: Vec<TimerDescription>,
    /// The versions of changes of its code that it follows. Of an open run.
    pub versions: BTreeMap<ChangeId, u32>,
}

/// An activity without an outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityDescription {
    /// Its `ActivityTaskScheduled`.
    pub scheduled_event_id: EventId,
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// What runs.
    pub activity_type: TypeName,
    /// When it was scheduled.
    pub scheduled_at: Timestamp,
    /// The attempt that runs or comes next.
    pub attempt: u32,
    /// When the next attempt is due; none while one runs or is about to.
    pub next_attempt_at: Option<Timestamp>,
    /// What the attempt before failed with.
    pub last_failure: Option<Failure>,
    /// What the last heartbeat said that was stored.
    pub heartbeat_details: Option<Payload>,
    /// Its attempt is to be completed from outside.
    pub is_open: bool,
    /// The workflow asked it to cancel.
    pub cancel_requested: bool,
    /// An operator holds it.
    pub paused: bool,
}

/// A timer that has not fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerDescription {
    /// Its `TimerStarted`.
    pub started_event_id: EventId,
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// When it fires.
    pub fire_at: Timestamp,
}

impl Runtime {
    /// Everything that is known of a run without its history.
    pub async fn describe_run(&self, run: &RunRef) -> Result<RunDescription> {
        loop {
            match locate(&self.shared, run).await? {
                Located::Open(open) => {
                    let (answer, answered) = oneshot::channel();
                    if deliver(&self.shared, &open, Message::Describe { answer }).await.is_err() {
                        continue;
                    }
                    match answered.await {
                        Ok(description) => return description,
                        // It closed before it came to this message: look again.
                        Err(_) if self.shared.registry.by_run(open.key.run_id).is_none() => {}
                        Err(_) => return Err(no_answer()),
                    }
                }
                Located::Closed(execution) => {
                    let last = self.shared.store.last_event(execution.key).await?;
                    return Ok(RunDescription {
                        cancel_requested: execution.status == ExecutionStatus::Canceled,
                        execution: *execution,
                        history_length: last.map_or(0, |event| event.id.0),
                        pending_activities: Vec::new(),
                        pending_timers: Vec::new(),
                        versions: BTreeMap::new(),
                    });
                }
            }
        }
    }
}
