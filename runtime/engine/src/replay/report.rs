//! What a report of nondeterminism says: the event, what history has there, and
//! what the code did instead, so that the two can be told apart.

use std::fmt::{self, Debug};

use dacapo_model::attributes::AttributeChanges;
use dacapo_model::command::{Command, Outcome};
use dacapo_model::event::{ActivityOptions, EventAttributes, HistoryEvent, Marker};
use dacapo_model::execution::Nondeterminism;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{EventId, WorkflowId};
use dacapo_model::payload::Payload;
use dacapo_model::tag::TagChanges;
use dacapo_model::text::shown;
use dacapo_model::update::Update;

use super::CallError;

/// The code did something other than asking for what history has.
pub(super) fn mismatch(event: &HistoryEvent, attempted: String) -> CallError {
    CallError::Nondeterminism(Box::new(Nondeterminism::at(
        event.id,
        describe_event(&event.attributes),
        attempted,
    )))
}

/// The code asked for something other than what history has.
pub(super) fn command_mismatch(event: &HistoryEvent, command: &Command) -> CallError {
    let mut recorded = describe_event(&event.attributes);
    let mut attempted = describe_command(command);
    if let (
        Command::ScheduleActivity { options: ours, .. },
        EventAttributes::ActivityTaskScheduled { options: theirs, .. },
    ) = (command, &event.attributes)
    {
        recorded.push_str(&describe_difference(theirs, ours));
        attempted.push_str(&describe_difference(ours, theirs));
    }
    if let (
        Command::StartChild(ours),
        EventAttributes::StartChildWorkflowExecutionInitiated(theirs),
    ) = (command, &event.attributes)
        && ours.options != theirs.options
    {
        recorded.push_str(&format!(", {:?}", theirs.options));
        attempted.push_str(&format!(", {:?}", ours.options));
    }
    if let (Some(ours), Some((what, theirs))) = (payload(command), event.attributes.payload())
        && ours != theirs
        && describe_payload(what, ours) == describe_payload(what, theirs)
    {
        let at = common_prefix(ours.as_bytes(), theirs.as_bytes());
        attempted.push_str(&format!(" that differs from byte {at} on"));
    }
    CallError::Nondeterminism(Box::new(Nondeterminism::at(event.id, recorded, attempted)))
}

/// The code did not accept an update, and history says that it did.
pub(super) fn recorded_update(event_id: EventId, update: &Update, attempted: String) -> CallError {
    let recorded = EventAttributes::WorkflowExecutionUpdateAccepted(update.clone().into());
    CallError::Nondeterminism(Box::new(Nondeterminism::at(
        event_id,
        describe_event(&recorded),
        attempted,
    )))
}

pub(super) fn describe_command(command: &Command) -> String {
    match command {
        Command::AcceptUpdate { update, .. } => {
            format!("accepted update `{}` ({})", update.name, update.id)
        }
        Command::CompleteUpdate { update_id, outcome: Ok(result) } => {
            format!("completed update {update_id} with {}", describe_payload("result", result))
        }
        Command::CompleteUpdate { update_id, outcome: Err(failure) } => {
            format!("failed update {update_id}: {}", describe_failure(failure))
        }
        Command::Publish { name, .. } => format!("published `{name}`"),
        Command::ScheduleActivity { operation_id, activity_type, input, .. } => format!(
            "started activity `{activity_type}` as operation {operation_id} with {}",
            describe_payload("input", input)
        ),
        Command::StartTimer { operation_id, fire_at } => {
            format!("started a timer for {fire_at} as operation {operation_id}")
        }
        Command::StartChild(child) => format!(
            "started child `{}`{} as operations {} and {} with {}",
            child.workflow_type,
            describe_id(child.options.workflow_id.as_ref()),
            child.started_operation_id,
            child.closed_operation_id,
            describe_payload("input", &child.input)
        ),
        Command::SignalExternal(signal) => format!(
            "sent signal `{}` to `{}` as operation {} with {}",
            signal.signal_name,
            signal.workflow_id,
            signal.operation_id,
            describe_payload("input", &signal.input)
        ),
        Command::CancelExternal(request) => format!(
            "{} `{}` as operation {}: {}",
            if request.terminate { "terminated" } else { "asked to cancel" },
            request.workflow_id,
            request.operation_id,
            shown(&request.reason)
        ),
        Command::UpsertAttributes(changes) => describe_changes("set", changes),
        Command::CancelOperation { operation_id } => format!("cancelled operation {operation_id}"),
        Command::RecordMarker(marker) => format!("noted {}", describe_marker(marker)),
        Command::RequestCancelActivity { operation_id, .. } => {
            format!("asked the activity of operation {operation_id} to cancel")
        }
        Command::Close(Outcome::Completed(result)) => {
            format!("completed the run with {}", describe_payload("result", result))
        }
        Command::Close(Outcome::Failed { failure, .. }) => {
            format!("failed the run: {}", describe_failure(failure))
        }
        Command::Close(Outcome::Cancelled(details)) => {
            format!("ended the run as cancelled: {}", shown(details))
        }
        Command::Close(Outcome::ContinueAsNew { workflow_type, input, .. }) => {
            format!("continued as new `{workflow_type}` with {}", describe_payload("input", input))
        }
    }
}

fn describe_event(attributes: &EventAttributes) -> String {
    let name = attributes.type_name();
    match attributes {
        EventAttributes::ActivityTaskScheduled { operation_id, activity_type, input, .. } => {
            format!(
                "{name} of `{activity_type}` as operation {operation_id} with {}",
                describe_payload("input", input)
            )
        }
        EventAttributes::TimerStarted { operation_id, fire_at } => {
            format!("{name} for {fire_at} as operation {operation_id}")
        }
        EventAttributes::ActivityTaskCancelRequested(request) => {
            format!("{name} of operation {}", request.operation_id)
        }
        EventAttributes::ActivityTaskCanceled { operation_id, .. }
        | EventAttributes::TimerCanceled { operation_id, .. } => {
            format!("{name} of operation {operation_id}")
        }
        EventAttributes::MarkerRecorded(marker) => {
            format!("{name} of {}", describe_marker(marker))
        }
        EventAttributes::WorkflowExecutionCompleted { result } => {
            format!("{name} with {}", describe_payload("result", result))
        }
        EventAttributes::WorkflowExecutionFailed { failure, .. } => {
            format!("{name}: {}", describe_failure(failure))
        }
        EventAttributes::WorkflowExecutionCanceled { details } => {
            format!("{name}: {}", shown(details))
        }
        EventAttributes::WorkflowExecutionContinuedAsNew { workflow_type, input, .. } => {
            format!("{name} as `{workflow_type}` with {}", describe_payload("input", input))
        }
        EventAttributes::UpsertWorkflowSearchAttributes(upsert) => {
            describe_changes(name, &upsert.changes())
        }
        EventAttributes::WorkflowPropertiesModified(modified) => {
            describe_changes(name, &modified.changes())
        }
        EventAttributes::WorkflowTagsModified(modified) => {
            describe_changes(name, &modified.changes())
        }
        EventAttributes::WorkflowExecutionSignaled { signal_name, input, .. } => {
            format!("{name} of `{signal_name}` with {}", describe_payload("input", input))
        }
        EventAttributes::WorkflowExecutionUpdateAccepted(accepted) => format!(
            "{name} of `{}` ({}) with {}",
            accepted.update_name,
            accepted.update_id,
            describe_payload("input", &accepted.input)
        ),
        EventAttributes::WorkflowExecutionUpdateCompleted(completed) => match &completed.failure {
            Some(failure) => {
                format!("{name} of {}: {}", completed.update_id, describe_failure(failure))
            }
            None => format!(
                "{name} of {} with {}",
                completed.update_id,
                describe_payload("result", &completed.result)
            ),
        },
        EventAttributes::StartChildWorkflowExecutionInitiated(child) => format!(
            "{name} of `{}`{} as operations {} and {} with {}",
            child.workflow_type,
            describe_id(child.options.workflow_id.as_ref()),
            child.started_operation_id,
            child.closed_operation_id,
            describe_payload("input", &child.input)
        ),
        EventAttributes::SignalExternalWorkflowExecutionInitiated(signal) => format!(
            "{name} of `{}` to `{}` as operation {} with {}",
            signal.signal_name,
            signal.workflow_id,
            signal.operation_id,
            describe_payload("input", &signal.input)
        ),
        EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(request) => format!(
            "{name} to `{}` of operation {}: {}",
            request.workflow_id,
            request.operation_id,
            shown(&request.reason)
        ),
        input => match input.ended_operations()[0] {
            Some(operation_id) => format!("{name} of operation {operation_id}"),
            None => name.to_owned(),
        },
    }
}

fn describe_marker(marker: &Marker) -> String {
    match marker {
        Marker::Version { change_id, version } => {
            format!("version {version} of change `{change_id}`")
        }
        Marker::SideEffect { name, value } | Marker::MutableSideEffect { name, value, .. } => {
            describe_payload(&format!("value `{name}`:"), value)
        }
    }
}

fn describe_failure(failure: &Failure) -> String {
    format!("{}: {}", shown(&failure.info.type_name), shown(&failure.info.message))
}

/// The name that a child was given, if it was given one.
fn describe_id(workflow_id: Option<&WorkflowId>) -> String {
    workflow_id.map(|workflow_id| format!(" `{workflow_id}`")).unwrap_or_default()
}

/// Names, and the values as far as one line holds them.
fn describe_changes(what: &str, changes: &AttributeChanges) -> String {
    let text = match changes {
        _ if !changes.memo.is_empty() => format!("{:?}", changes.memo),
        _ if !changes.tags.is_empty() => describe_tags(&changes.tags),
        _ => format!("{:?}", changes.search_attributes),
    };
    describe_payload(what, &Payload::from(text.into_bytes()))
}

/// `+new -old`.
fn describe_tags(changes: &TagChanges) -> String {
    let added = changes.added.iter().map(|tag| format!("+{tag}"));
    let removed = changes.removed.iter().map(|tag| format!("-{tag}"));
    added.chain(removed).collect::<Vec<_>>().join(" ")
}

/// Enough of a payload to tell two apart, and not more than a line.
fn describe_payload(what: &str, payload: &Payload) -> String {
    let bytes = payload.as_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("{what} {}", shown(text)),
        Err(_) => format!("{what} of {} bytes", bytes.len()),
    }
}

/// The options of `ours` that are not those of `theirs`.
fn describe_difference(ours: &ActivityOptions, theirs: &ActivityOptions) -> String {
    let mut text = String::new();
    let mut compare = |name: &str, ours: &dyn Debug, theirs: &dyn Debug| {
        let (ours, theirs) = (format!("{ours:?}"), format!("{theirs:?}"));
        if ours != theirs {
            text.push_str(&format!(", {name} {ours}"));
        }
    };
    let (retry, their_retry) = (&ours.retry, &theirs.retry);
    compare("start-to-close timeout", &ours.start_to_close_timeout, &theirs.start_to_close_timeout);
    compare(
        "schedule-to-close timeout",
        &ours.schedule_to_close_timeout,
        &theirs.schedule_to_close_timeout,
    );
    compare(
        "schedule-to-start timeout",
        &ours.schedule_to_start_timeout,
        &theirs.schedule_to_start_timeout,
    );
    compare("heartbeat timeout", &ours.heartbeat_timeout, &theirs.heartbeat_timeout);
    compare("initial interval", &retry.initial_interval, &their_retry.initial_interval);
    compare("backoff coefficient", &retry.backoff_coefficient, &their_retry.backoff_coefficient);
    compare("maximum interval", &retry.maximum_interval, &their_retry.maximum_interval);
    compare("maximum attempts", &retry.maximum_attempts, &their_retry.maximum_attempts);
    compare("non-retryable types", &retry.non_retryable_types, &their_retry.non_retryable_types);
    compare("task queue", &Route(ours), &Route(theirs));
    text
}

/// A route in few words.
struct Route<'a>(&'a ActivityOptions);

impl Debug for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(route) = &self.0.task_queue else {
            return f.write_str("none");
        };
        write!(f, "{:?} with priority {}", route.queue.as_str(), route.priority.number())?;
        if let Some(key) = &route.fairness_key {
            let weight = route.fairness_weight.number();
            write!(f, " for {:?} with weight {weight}", key.as_str())?;
        }
        Ok(())
    }
}

fn payload(command: &Command) -> Option<&Payload> {
    match command {
        Command::ScheduleActivity { input, .. }
        | Command::Close(Outcome::ContinueAsNew { input, .. }) => Some(input),
        Command::Close(Outcome::Completed(result))
        | Command::CompleteUpdate { outcome: Ok(result), .. } => Some(result),
        Command::StartChild(child) => Some(&child.input),
        Command::SignalExternal(signal) => Some(&signal.input),
        _ => None,
    }
}

fn common_prefix(ours: &[u8], theirs: &[u8]) -> usize {
    ours.iter().zip(theirs).take_while(|(a, b)| a == b).count()
}
