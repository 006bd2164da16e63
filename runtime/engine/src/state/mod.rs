//! The state of a run after its history, as far as deciding needs it.
//!
//! A run goes through these states. Each arrow is an event; the state after a history
//! is the state after its last event, live and after a crash.
//!
//! ```text
//!            WorkflowExecutionStarted
//!                      │ delayed              │ at once
//!                      ▼                      │
//!                  delayed ── DelayEnded ──▶ Running ◀── any command, Reset ──┐
//!                      │                     │    │                           │
//!                      │                     │    └── WorkflowTaskFailed ──▶ Blocked
//!                      │                     │                                │
//!                      └──────── closing ────┴──────────── closing ───────────┘
//!                                            ▼
//!          Completed, Failed, Canceled, Terminated, ContinuedAsNew, TimedOut
//! ```
//!
//! Meanwhile the state holds what the run waits for: activities, timers, children,
//! requests to other runs, and updates. Each is pending from the command that asks for
//! it to the input that ends it. What the node has to do for them is in `duty.rs`.

use std::collections::BTreeMap;

use dacapo_model::event::{
    Chain, EventAttributes, HistoryEvent, Marker, ParentExecution, RunOptions,
    WorkflowExecutionStarted,
};
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{ChangeId, EventId, OperationId, RequestId, TypeName};
use dacapo_model::module::ModuleDigest;
use dacapo_model::time::Timestamp;

mod activity;
mod chain;
mod duty;
mod relations;
mod taken;
#[cfg(test)]
mod tests;
mod updates;

pub use self::updates::{UpdateStage, Updates};

pub use self::activity::{ActivityCancel, OutsideAttempt, PendingActivity, Placement};
pub use self::duty::ActivityDuty;
pub use self::relations::{Children, ExternalRequest, Externals, PendingChild, PendingExternal};
use self::taken::SignalRequests;

pub use self::chain::RunTimer;

/// An event that can't follow the ones before it. The history is corrupt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {id} ({event_type}) can't be there: {reason}")]
pub struct IllegalEvent {
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub event_type: &'static str,
    /// Which rule it breaks.
    pub reason: &'static str,
}

/// A timer that has not fired yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingTimer {
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// Not before then, as the guest counts time.
    pub fire_at: Timestamp,
    /// The same by the clock, which may have been set back since something was recorded:
    /// what the timer's row says.
    pub due_at: Timestamp,
}

/// A recorded request to cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelRequest {
    /// Why, for people.
    pub reason: String,
    /// By which a repeat is recognised.
    pub request_id: Option<RequestId>,
}

/// The state of one run. Events make it, and nothing else but three things that are
/// no events and that recovery reads from other rows:
///
/// * updates that the guest has not decided about (see [`Updates::admit`]);
/// * what attempts of activities leave behind: the next one, the last failure, the
///   last heartbeat. It lives in timer rows (see [`Self::plan_retry`],
///   [`Self::note_heartbeat`], [`Self::note_deadline`]) and in tasks (see
///   [`Self::note_task`]);
/// * that a blocked run is tried again: history says `Blocked` until the guest
///   has asked for something, the run's row says `Running` at once. While the two
///   differ, [`Self::status`] is what the row says.
#[derive(Debug, Clone, PartialEq)]
pub struct RunState {
    /// Where it stands.
    pub status: ExecutionStatus,
    /// The id the next event gets.
    pub next_event_id: EventId,
    /// Time of the last event; times never go back.
    pub last_event_at: Timestamp,
    /// Time of the first event.
    pub started_at: Timestamp,
    /// What runs.
    pub workflow_type: TypeName,
    /// The code it is pinned to.
    pub module_digest: ModuleDigest,
    /// By which a repeat of the start is recognised.
    pub request_id: Option<RequestId>,
    /// Environment of the workflow; a run that continues this one inherits it.
    pub environment: BTreeMap<String, String>,
    /// Command-line arguments of the workflow; inherited likewise.
    pub arguments: Vec<String>,
    /// What the start asked for; what is said about the run is kept up to date.
    pub options: RunOptions,
    /// Its place among the runs that follow each other.
    pub chain: Chain,
    /// Set while its start is delayed.
    pub delayed_until: Option<Timestamp>,
    /// From when its run timeout counts.
    pub begun_at: Timestamp,
    /// About how many bytes its history has.
    pub history_bytes: u64,
    /// Set once someone asked it to cancel.
    pub cancel_request: Option<CancelRequest>,
    /// How many signals it has had.
    pub signals: u64,
    /// By which repeats of signals are recognised, also once the run is closed, in
    /// addition to what its chain has taken. As many as there are signals at most, so
    /// what limits these limits it.
    signal_requests: SignalRequests,
    /// What callers asked it to do, and wait for.
    pub updates: Updates,
    /// The last version of each change that it follows.
    pub versions: BTreeMap<ChangeId, u32>,
    /// Activities without an outcome, by their `ActivityTaskScheduled`.
    pub activities: BTreeMap<EventId, PendingActivity>,
    /// Timers that have not fired, by their `TimerStarted`.
    pub timers: BTreeMap<EventId, PendingTimer>,
    /// The run that started it as a child. Known also once it is closed: its
    /// parent is to be told.
    pub parent: Option<Box<ParentExecution>>,
    /// Children that have not closed.
    pub children: Children,
    /// Requests to other runs that are not known to have been delivered.
    pub externals: Externals,
    /// Pending operations, by the guest's name.
    operations: BTreeMap<OperationId, EventId>,
    /// The last name the guest gave.
    last_operation: OperationId,
}

impl RunState {
    /// The state after the first event.
    pub fn from_start(event: &HistoryEvent) -> Result<Self, IllegalEvent> {
        let EventAttributes::WorkflowExecutionStarted(started) = &event.attributes else {
            return Err(illegal(event, "a history begins with WorkflowExecutionStarted"));
        };
        if event.id != EventId::FIRST {
            return Err(illegal(event, "the first event has id 1"));
        }
        Ok(Self::started(started, event.time, event.attributes.bytes()))
    }

    /// The state after a whole history.
    pub fn from_history<'a>(
        events: impl IntoIterator<Item = &'a HistoryEvent>,
    ) -> Result<Option<Self>, IllegalEvent> {
        let mut events = events.into_iter();
        let Some(first) = events.next() else {
            return Ok(None);
        };
        let mut state = Self::from_start(first)?;
        for event in events {
            state.apply(event)?;
        }
        Ok(Some(state))
    }

    fn started(started: &WorkflowExecutionStarted, at: Timestamp, bytes: u64) -> Self {
        Self {
            status: ExecutionStatus::Running,
            next_event_id: EventId::FIRST.next(),
            last_event_at: at,
            started_at: at,
            workflow_type: started.workflow_type.clone(),
            module_digest: started.module_digest,
            request_id: started.request_id.clone(),
            environment: started.environment.clone(),
            arguments: started.arguments.clone(),
            options: started.options.clone(),
            chain: started.chain.clone(),
            delayed_until: started.options.delayed_until,
            begun_at: started.options.delayed_until.unwrap_or(at),
            history_bytes: bytes,
            cancel_request: None,
            signals: 0,
            signal_requests: SignalRequests::default(),
            updates: Updates::after(&started.chain.taken),
            versions: BTreeMap::new(),
            activities: BTreeMap::new(),
            timers: BTreeMap::new(),
            parent: started.parent.clone(),
            children: Children::new(),
            externals: Externals::new(),
            operations: BTreeMap::new(),
            last_operation: OperationId(0),
        }
    }

    /// Takes into account when a timer is due by the clock, when it is started and when
    /// its row is read back.
    pub fn note_timer(&mut self, started_event_id: EventId, due_at: Timestamp) -> bool {
        let timer = self.timers.get_mut(&started_event_id);
        timer.map(|timer| timer.due_at = due_at).is_some()
    }

    /// Takes one event into account. The only place where state changes.
    pub fn apply(&mut self, event: &HistoryEvent) -> Result<(), IllegalEvent> {
        if event.id != self.next_event_id {
            return Err(illegal(event, "ids follow each other without gaps"));
        }
        if !self.status.is_open() {
            return Err(illegal(event, "nothing follows a closing event"));
        }
        if event.time < self.last_event_at {
            return Err(illegal(event, "time does not go back"));
        }
        if self.delayed_until.is_some() && event.attributes.is_command() {
            return Err(illegal(event, "the run has not begun"));
        }
        self.apply_attributes(event)?;
        self.next_event_id = event.id.next();
        self.last_event_at = event.time;
        self.history_bytes += event.attributes.bytes();
        Ok(())
    }

    fn apply_attributes(&mut self, event: &HistoryEvent) -> Result<(), IllegalEvent> {
        match &event.attributes {
            EventAttributes::WorkflowExecutionStarted(_) => {
                return Err(illegal(event, "a run starts once"));
            }
            EventAttributes::WorkflowExecutionCancelRequested { reason, request_id } => {
                if self.cancel_request.is_some() {
                    return Err(illegal(event, "a run is asked to cancel once"));
                }
                self.cancel_request =
                    Some(CancelRequest { reason: reason.clone(), request_id: request_id.clone() });
            }
            EventAttributes::WorkflowExecutionSignaled { request_id, .. } => {
                if let Some(request_id) = request_id
                    && !self.signal_requests.insert(request_id.clone(), event.id)
                {
                    return Err(illegal(event, "a repeat of a signal is not recorded"));
                }
                self.signals += 1;
            }
            EventAttributes::WorkflowExecutionUpdateAccepted(accepted) => {
                if !self.updates.accept(&accepted.update_id, event.id) {
                    return Err(illegal(event, "an update is accepted once"));
                }
            }
            EventAttributes::WorkflowExecutionUpdateCompleted(completed) => {
                let (update_id, accepted_by) = (&completed.update_id, completed.accepted_event_id);
                if !self.updates.complete(update_id, accepted_by, event.id) {
                    return Err(illegal(event, "it names no update without an outcome"));
                }
            }
            EventAttributes::WorkflowExecutionCompleted { .. } => {
                self.close(ExecutionStatus::Completed);
            }
            EventAttributes::WorkflowExecutionFailed { .. } => self.close(ExecutionStatus::Failed),
            EventAttributes::WorkflowExecutionCanceled { .. } => {
                self.close(ExecutionStatus::Canceled);
            }
            EventAttributes::WorkflowExecutionTerminated { .. } => {
                self.close(ExecutionStatus::Terminated);
            }
            EventAttributes::WorkflowExecutionContinuedAsNew { .. } => {
                self.close(ExecutionStatus::ContinuedAsNew);
            }
            EventAttributes::WorkflowExecutionTimedOut(_) => self.close(ExecutionStatus::TimedOut),
            EventAttributes::WorkflowExecutionDelayEnded {} => {
                if self.delayed_until.take().is_none() {
                    return Err(illegal(event, "the start of the run is not delayed"));
                }
                self.begun_at = event.time;
            }
            EventAttributes::WorkflowExecutionReset(_) => {
                if self.delayed_until.is_some() {
                    return Err(illegal(event, "the run has not begun"));
                }
                // It has all its time again, and may go on where it was blocked.
                self.begun_at = event.time;
                let timeout = self.options.execution_timeout;
                self.chain.execution_deadline = timeout.map(|timeout| event.time.after(timeout));
                self.activities.values_mut().for_each(|activity| activity.restart(event.time));
                self.status = ExecutionStatus::Running;
            }
            EventAttributes::UpsertWorkflowSearchAttributes(upsert) => {
                self.options.attributes.apply(&upsert.changes());
            }
            EventAttributes::WorkflowPropertiesModified(modified) => {
                self.options.attributes.apply(&modified.changes());
            }
            EventAttributes::WorkflowTagsModified(tags)
            | EventAttributes::WorkflowExecutionTagsUpdated(tags) => {
                self.options.attributes.apply(&tags.changes());
            }
            EventAttributes::WorkflowTaskFailed { .. } => self.status = ExecutionStatus::Blocked,
            EventAttributes::ActivityTaskScheduled {
                operation_id,
                activity_type,
                input,
                options,
            } => {
                self.begin_operation(event, *operation_id)?;
                let activity = PendingActivity::scheduled(
                    *operation_id,
                    activity_type.clone(),
                    input.clone(),
                    self.capped(options.clone()),
                    event.time,
                );
                self.activities.insert(event.id, activity);
            }
            EventAttributes::ActivityTaskStarted { scheduled_event_id, open, .. } => {
                let activity = self.pending(event, *scheduled_event_id)?;
                match open {
                    None => activity.started = true,
                    Some(open) => {
                        activity.attempt = open.number;
                        activity.placement = Placement::Outside(OutsideAttempt {
                            started_at: open.started_at,
                            token_digest: open.token_digest.clone(),
                            deadline: activity.deadline(open.started_at, event.time),
                        });
                    }
                }
            }
            EventAttributes::ActivityTaskCancelRequested(request) => {
                let activity = self.pending(event, request.scheduled_event_id)?;
                activity.cancel =
                    Some(ActivityCancel { requested_at: event.time, grace: request.grace });
            }
            EventAttributes::ActivityTaskPaused(paused) => {
                self.pending(event, paused.scheduled_event_id)?.pause(true, event.time);
            }
            EventAttributes::ActivityTaskUnpaused(unpaused) => {
                self.pending(event, unpaused.scheduled_event_id)?.pause(false, event.time);
            }
            EventAttributes::ActivityTaskReset(reset) => {
                let activity = self.pending(event, reset.scheduled_event_id)?;
                activity.attempts_before = reset.attempts_before;
                activity.attempt = reset.attempts_before.saturating_add(1);
                activity.begin_attempt(event.time);
                activity.last_failure = None;
            }
            EventAttributes::ActivityTaskCompleted { scheduled_event_id, operation_id, .. }
            | EventAttributes::ActivityTaskFailed { scheduled_event_id, operation_id, .. }
            | EventAttributes::ActivityTaskTimedOut { scheduled_event_id, operation_id, .. }
            | EventAttributes::ActivityTaskCanceled { scheduled_event_id, operation_id, .. } => {
                if !self.activities.contains_key(scheduled_event_id) {
                    return Err(illegal(event, "it names no pending activity"));
                }
                self.end_operation(event, *operation_id, *scheduled_event_id)?;
                self.activities.remove(scheduled_event_id);
            }
            EventAttributes::TimerStarted { operation_id, fire_at } => {
                self.begin_operation(event, *operation_id)?;
                let (operation_id, fire_at) = (*operation_id, *fire_at);
                let timer = PendingTimer { operation_id, fire_at, due_at: fire_at };
                self.timers.insert(event.id, timer);
            }
            EventAttributes::TimerFired { started_event_id, operation_id }
            | EventAttributes::TimerCanceled { started_event_id, operation_id } => {
                if !self.timers.contains_key(started_event_id) {
                    return Err(illegal(event, "it names no pending timer"));
                }
                self.end_operation(event, *operation_id, *started_event_id)?;
                self.timers.remove(started_event_id);
            }
            EventAttributes::MarkerRecorded(Marker::Version { change_id, version }) => {
                self.versions.insert(change_id.clone(), *version);
            }
            EventAttributes::MarkerRecorded(_) => {}
            EventAttributes::WorkflowExecutionOptionsUpdated(options) => {
                self.module_digest = options.module_digest.unwrap_or(self.module_digest);
            }
            EventAttributes::StartChildWorkflowExecutionInitiated(initiated) => {
                self.apply_child_initiated(event, initiated)?;
            }
            EventAttributes::StartChildWorkflowExecutionFailed(failed) => {
                let start = Some(failed.started_operation_id);
                let end = failed.closed_operation_id;
                self.apply_child_closed(event, failed.initiated_event_id, start, end)?;
            }
            EventAttributes::ChildWorkflowExecutionStarted(started) => {
                self.apply_child_started(event, started.initiated_event_id, started.operation_id)?;
            }
            EventAttributes::ChildWorkflowExecutionCompleted(c) => {
                self.apply_child_closed(event, c.initiated_event_id, None, c.operation_id)?;
            }
            EventAttributes::ChildWorkflowExecutionFailed(c) => {
                self.apply_child_closed(event, c.initiated_event_id, None, c.operation_id)?;
            }
            EventAttributes::ChildWorkflowExecutionCanceled(c) => {
                self.apply_child_closed(event, c.initiated_event_id, None, c.operation_id)?;
            }
            EventAttributes::ChildWorkflowExecutionTimedOut(c) => {
                self.apply_child_closed(event, c.initiated_event_id, None, c.operation_id)?;
            }
            EventAttributes::ChildWorkflowExecutionTerminated(c) => {
                self.apply_child_closed(event, c.initiated_event_id, None, c.operation_id)?;
            }
            EventAttributes::SignalExternalWorkflowExecutionInitiated(initiated) => {
                self.apply_signal_initiated(event, initiated)?;
            }
            EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(initiated) => {
                self.apply_cancel_initiated(event, initiated)?;
            }
            EventAttributes::ExternalWorkflowExecutionSignaled(e) => {
                self.apply_external_over(event, e.initiated_event_id, e.operation_id)?;
            }
            EventAttributes::SignalExternalWorkflowExecutionFailed(e) => {
                self.apply_external_over(event, e.initiated_event_id, e.operation_id)?;
            }
            EventAttributes::ExternalWorkflowExecutionCancelRequested(e) => {
                self.apply_external_over(event, e.initiated_event_id, e.operation_id)?;
            }
            EventAttributes::RequestCancelExternalWorkflowExecutionFailed(e) => {
                self.apply_external_over(event, e.initiated_event_id, e.operation_id)?;
            }
        }
        // A command that was recorded shows that the guest got past its fault.
        if self.status == ExecutionStatus::Blocked && event.attributes.is_command() {
            self.status = ExecutionStatus::Running;
        }
        Ok(())
    }

    fn pending(
        &mut self,
        event: &HistoryEvent,
        scheduled_event_id: EventId,
    ) -> Result<&mut PendingActivity, IllegalEvent> {
        self.activities
            .get_mut(&scheduled_event_id)
            .ok_or_else(|| illegal(event, "it names no pending activity"))
    }

    fn begin_operation(
        &mut self,
        event: &HistoryEvent,
        operation: OperationId,
    ) -> Result<(), IllegalEvent> {
        if operation <= self.last_operation {
            return Err(illegal(event, "operations are numbered in order"));
        }
        self.last_operation = operation;
        self.operations.insert(operation, event.id);
        Ok(())
    }

    fn end_operation(
        &mut self,
        event: &HistoryEvent,
        operation: OperationId,
        begun_by: EventId,
    ) -> Result<(), IllegalEvent> {
        if self.operation_event(operation) != Some(begun_by) {
            return Err(illegal(event, "it does not end the operation that it names"));
        }
        self.operations.remove(&operation);
        Ok(())
    }

    fn close(&mut self, status: ExecutionStatus) {
        self.status = status;
        self.activities.clear();
        self.timers.clear();
        self.children.clear();
        self.externals.clear();
        self.operations.clear();
        self.updates.close();
    }

    /// The event that began an operation which is still pending.
    pub fn operation_event(&self, operation: OperationId) -> Option<EventId> {
        self.operations.get(&operation).copied()
    }

    /// Whether a signal with this request id has been recorded, here or in a run before.
    pub fn has_signal_request(&self, request_id: &RequestId) -> bool {
        self.signal_event(request_id).is_some() || self.chain.taken.has_signal(request_id)
    }

    /// The event of this run that recorded the signal with this request id.
    pub fn signal_event(&self, request_id: &RequestId) -> Option<EventId> {
        self.signal_requests.event(request_id)
    }

    /// How many operations are pending.
    pub fn pending_operations(&self) -> usize {
        self.operations.len()
    }
}

fn illegal(event: &HistoryEvent, reason: &'static str) -> IllegalEvent {
    IllegalEvent { id: event.id, event_type: event.attributes.type_name(), reason }
}
