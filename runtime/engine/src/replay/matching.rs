//! Commands against history, and inputs out of it.

use dacapo_model::command::{Command, Outcome};
use dacapo_model::event::{EVENT_BYTES, EventAttributes, HistoryEvent, Marker, Role};
use dacapo_model::update::Update;

use super::live::{Live, UpdateSource};
use super::operation::Operation;
use super::report::{command_mismatch, describe_command, mismatch};
use super::{Answer, Arrival, CallError, Cancel, Cursor, Waiting};

/// Whether the guest of this history has run at all. One whose run was closed while
/// its start was delayed has not, and can't be replayed.
pub fn has_begun(history: &[HistoryEvent]) -> bool {
    let Some(EventAttributes::WorkflowExecutionStarted(started)) =
        history.first().map(|event| &event.attributes)
    else {
        return false;
    };
    let ended = |event: &HistoryEvent| {
        matches!(event.attributes, EventAttributes::WorkflowExecutionDelayEnded {})
    };
    started.options.delayed_until.is_none() || history.iter().any(ended)
}

impl Cursor {
    /// Matches a command with history, or adds it past the end of history.
    pub(super) fn emit(&mut self, command: Command) -> Result<(), CallError> {
        self.check_undisturbed(|| describe_command(&command))?;
        self.markers.nothing_unrecorded()?;
        self.overtake();
        let bytes = command_bytes(&command);
        match self.history.front() {
            None => self.add_command(command)?,
            Some(event) if matches(&command, &event.attributes) => {
                self.history.pop_front();
                self.overtaking = false;
            }
            Some(event) => return Err(command_mismatch(event, &command)),
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Brings the next recorded command to the front, if all that stands before
    /// it are inputs that it overtakes: those recorded while the run was blocked.
    pub(super) fn overtake(&mut self) {
        while let Some(event) = self.history.front() {
            match event.attributes.role() {
                Role::Input | Role::AcceptedInput if self.overtaking => {
                    for operation_id in event.attributes.ended_operations().into_iter().flatten() {
                        if let Some(operation @ Operation::Pending) =
                            self.operation_mut(operation_id)
                        {
                            *operation = Operation::Ended;
                        }
                    }
                    let input = self.history.pop_front();
                    self.overtaken.extend(input);
                }
                Role::Command | Role::ClosingCommand | Role::Input | Role::AcceptedInput => return,
                Role::Interruption => self.pass_fault(),
                Role::FirstActivation | Role::ClosedFromOutside | Role::Note => {
                    self.history.pop_front();
                }
            }
        }
    }

    /// Keeps a new command, within what one activation may ask for.
    pub(super) fn add_command(&mut self, command: Command) -> Result<(), CallError> {
        self.command_bytes = self.command_bytes.saturating_add(guest_bytes(&command));
        if self.commands.len() >= self.budget.commands_max {
            return Err(CallError::TooManyCommands { max: self.budget.commands_max });
        }
        if self.command_bytes > self.budget.command_bytes_max {
            return Err(CallError::TooManyCommandBytes { max: self.budget.command_bytes_max });
        }
        self.commands.push(command);
        Ok(())
    }

    /// Delivers the next input, now that the guest waits.
    pub(super) fn deliver_next(&mut self, waiting: Waiting) -> Result<Answer<()>, CallError> {
        self.check_undisturbed(|| format!("waited for {waiting}"))?;
        self.markers.nothing_unrecorded()?;
        self.waiting = None;
        if let Some(event) = self.overtaken.pop_front() {
            self.check_delivery(&event, &waiting)?;
            self.deliver(event);
            return Ok(Answer::Ready(()));
        }
        while let Some(event) = self.history.front() {
            match event.attributes.role() {
                Role::Input | Role::AcceptedInput => {
                    self.check_delivery(event, &waiting)?;
                    if let Some(event) = self.history.pop_front() {
                        self.deliver(event);
                    }
                    return Ok(Answer::Ready(()));
                }
                Role::Command | Role::ClosingCommand => {
                    return Err(mismatch(event, format!("waited for {waiting}")));
                }
                // The activation that failed asked for nothing: it is over. What
                // the guest asks for in answer to the first of the inputs that
                // follow still overtakes the others.
                Role::Interruption => self.pass_fault(),
                Role::FirstActivation | Role::ClosedFromOutside | Role::Note => {
                    self.history.pop_front();
                }
            }
        }
        self.waiting = Some(waiting);
        Ok(Answer::Blocked)
    }

    /// An update is delivered to a guest that takes whatever is next, and to no other.
    fn check_delivery(&self, event: &HistoryEvent, waiting: &Waiting) -> Result<(), CallError> {
        let is_update =
            matches!(event.attributes, EventAttributes::WorkflowExecutionUpdateAccepted(_));
        if is_update && !waiting.is_for_anything() {
            return Err(mismatch(event, format!("waited for {waiting}")));
        }
        Ok(())
    }

    fn deliver(&mut self, event: HistoryEvent) {
        // What happened during a delay was recorded before its end.
        self.now = self.now.max(event.time);
        // An update is no event yet when it is offered for the first time.
        if !matches!(event.attributes, EventAttributes::WorkflowExecutionUpdateAccepted(_)) {
            self.delivered = self.delivered.max(event.id);
            self.bytes += event.attributes.bytes();
        }
        match event.attributes {
            EventAttributes::WorkflowExecutionStarted(started) => {
                self.overtake_initial_signals(started.initial_signals);
                self.overtake_delay(&started);
                self.run_attributes = started.options.attributes.clone();
                self.seen_run_id = started.chain.original_run_id;
                self.started = Some(started);
                self.started_at = event.time;
            }
            EventAttributes::WorkflowExecutionCancelRequested { reason, .. } => {
                self.cancel = Cancel::Requested { reason };
                self.arrivals.push_back(Arrival::CancelRequest);
            }
            EventAttributes::WorkflowExecutionSignaled { signal_name, input, .. } => {
                let at = self.signals.arrived(event.id, signal_name, input);
                self.arrivals.push_back(Arrival::Signal(at));
            }
            EventAttributes::WorkflowExecutionUpdateAccepted(accepted) => {
                let update = Update {
                    id: accepted.update_id,
                    name: accepted.update_name,
                    input: accepted.input,
                };
                self.live = Live::Undecided { update, origin: UpdateSource::History(event.id) };
                self.arrivals.push_back(Arrival::Update);
            }
            attributes => self.deliver_end(attributes),
        }
    }

    /// The event at which a guest that ended should have gone on, if any.
    pub(super) fn unreached(&mut self) -> Option<&HistoryEvent> {
        while let Some(event) = self.history.front() {
            match event.attributes.role() {
                Role::FirstActivation | Role::ClosedFromOutside | Role::Note => {
                    self.history.pop_front();
                }
                Role::Interruption => self.pass_fault(),
                Role::Input | Role::AcceptedInput | Role::Command | Role::ClosingCommand => break,
            }
        }
        self.history.front()
    }
}

/// About how many bytes the event of a command takes.
pub(crate) fn command_bytes(command: &Command) -> u64 {
    EVENT_BYTES.saturating_add(guest_bytes(command) as u64)
}

/// How much of what a command holds is as long as the guest likes.
fn guest_bytes(command: &Command) -> usize {
    match command {
        Command::ScheduleActivity { input, options, .. } => {
            let types = options.retry.non_retryable_types.iter();
            types.map(String::len).fold(input.len(), usize::saturating_add)
        }
        Command::Close(Outcome::Completed(result)) => result.len(),
        Command::Close(Outcome::Failed { failure, .. }) => failure.details_len(),
        Command::Close(Outcome::Cancelled(details)) => details.len(),
        Command::Close(Outcome::ContinueAsNew { input, options, .. }) => {
            input.len().saturating_add(options.attributes.bytes())
        }
        Command::UpsertAttributes(changes) => changes.bytes(),
        Command::RecordMarker(
            Marker::SideEffect { value, .. } | Marker::MutableSideEffect { value, .. },
        ) => value.len(),
        Command::CompleteUpdate { outcome: Ok(result), .. } => result.len(),
        Command::CompleteUpdate { outcome: Err(failure), .. } => failure.details_len(),
        Command::StartChild(child) => child.input.len().saturating_add(child.options.guest_bytes()),
        Command::SignalExternal(signal) => signal.input.len(),
        Command::CancelExternal(request) => request.reason.len(),
        // Of what is published, all that there is together is limited.
        Command::Publish { .. }
        | Command::AcceptUpdate { .. }
        | Command::RecordMarker(Marker::Version { .. })
        | Command::StartTimer { .. }
        | Command::CancelOperation { .. }
        | Command::RequestCancelActivity { .. } => 0,
    }
}

/// Same kind, same name, same arguments.
fn matches(command: &Command, attributes: &EventAttributes) -> bool {
    match (command, attributes) {
        (
            Command::ScheduleActivity { operation_id, activity_type, input, options },
            EventAttributes::ActivityTaskScheduled {
                operation_id: recorded_operation,
                activity_type: recorded_type,
                input: recorded_input,
                options: recorded_options,
            },
        ) => {
            operation_id == recorded_operation
                && activity_type == recorded_type
                && input == recorded_input
                && options == recorded_options
        }
        (
            Command::StartTimer { operation_id, fire_at },
            EventAttributes::TimerStarted {
                operation_id: recorded_operation,
                fire_at: recorded_time,
            },
        ) => operation_id == recorded_operation && fire_at == recorded_time,
        (
            Command::StartChild(child),
            EventAttributes::StartChildWorkflowExecutionInitiated(recorded),
        ) => {
            child.started_operation_id == recorded.started_operation_id
                && child.closed_operation_id == recorded.closed_operation_id
                && child.workflow_type == recorded.workflow_type
                && child.input == recorded.input
                && child.options.is_same(&recorded.options)
        }
        (
            Command::SignalExternal(signal),
            EventAttributes::SignalExternalWorkflowExecutionInitiated(recorded),
        ) => {
            signal.operation_id == recorded.operation_id
                && signal.workflow_id == recorded.workflow_id
                && signal.run_id == recorded.run_id
                && signal.signal_name == recorded.signal_name
                && signal.input == recorded.input
        }
        (
            Command::CancelExternal(request),
            EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(recorded),
        ) => {
            recorded.child_initiated_event_id.is_none()
                && request.operation_id == recorded.operation_id
                && request.workflow_id == recorded.workflow_id
                && request.run_id == recorded.run_id
                && request.first_run_id == recorded.first_run_id
                && request.reason == recorded.reason
                && request.terminate == recorded.terminate
        }
        (
            Command::CancelOperation { operation_id },
            EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(recorded),
        ) => recorded.child_initiated_event_id.is_some() && *operation_id == recorded.operation_id,
        (
            Command::CancelOperation { operation_id },
            EventAttributes::ActivityTaskCanceled { operation_id: recorded, failure: None, .. }
            | EventAttributes::TimerCanceled { operation_id: recorded, .. },
        ) => operation_id == recorded,
        (
            Command::CompleteUpdate { update_id, outcome },
            EventAttributes::WorkflowExecutionUpdateCompleted(recorded),
        ) => {
            *update_id == recorded.update_id
                && match (outcome, &recorded.failure) {
                    (Ok(result), None) => *result == recorded.result,
                    (Err(failure), Some(recorded)) => failure == recorded,
                    _ => false,
                }
        }
        (
            Command::RequestCancelActivity { operation_id, grace },
            EventAttributes::ActivityTaskCancelRequested(request),
        ) => *operation_id == request.operation_id && *grace == request.grace,
        (
            Command::UpsertAttributes(changes),
            EventAttributes::UpsertWorkflowSearchAttributes(upsert),
        ) => changes.is_same(&upsert.changes()),
        (
            Command::UpsertAttributes(changes),
            EventAttributes::WorkflowPropertiesModified(modified),
        ) => changes.is_same(&modified.changes()),
        (Command::UpsertAttributes(changes), EventAttributes::WorkflowTagsModified(modified)) => {
            changes.is_same(&modified.changes())
        }
        (Command::Close(outcome), attributes) => matches_outcome(outcome, attributes),
        _ => false,
    }
}

fn matches_outcome(outcome: &Outcome, attributes: &EventAttributes) -> bool {
    match (outcome, attributes) {
        (Outcome::Completed(result), EventAttributes::WorkflowExecutionCompleted { result: r }) => {
            result == r
        }
        (
            Outcome::Failed { failure, .. },
            EventAttributes::WorkflowExecutionFailed { failure: f, .. },
        ) => failure == f,
        (
            Outcome::Cancelled(details),
            EventAttributes::WorkflowExecutionCanceled { details: d },
        ) => details == d,
        (
            Outcome::ContinueAsNew { workflow_type, input, options, .. },
            EventAttributes::WorkflowExecutionContinuedAsNew {
                workflow_type: t,
                input: i,
                options: o,
                ..
            },
        ) => workflow_type == t && input == i && options.is_same(o),
        _ => false,
    }
}
