//! Damage done to histories.

use dacapo_model::event::{EventAttributes, HistoryEvent, Marker};
use dacapo_model::ids::{ChangeId, EventId, OperationId, QueueName, TypeName, ValueName};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use proptest::prelude::*;

/// One kind of damage. Numbers pick events.
#[derive(Debug, Clone)]
pub(crate) enum Mutation {
    Drop(u8),
    Repeat(u8),
    Swap(u8, u8),
    /// The event says something else of the same kind.
    Alter(u8),
}

pub(crate) fn mutations() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        any::<u8>().prop_map(Mutation::Drop),
        any::<u8>().prop_map(Mutation::Repeat),
        any::<(u8, u8)>().prop_map(|(a, b)| Mutation::Swap(a, b)),
        any::<u8>().prop_map(Mutation::Alter),
    ]
}

impl Mutation {
    /// Damages a history that is not empty.
    pub(crate) fn apply(&self, history: &mut Vec<HistoryEvent>) {
        let events = history.len();
        match self {
            Self::Drop(at) => {
                history.remove(usize::from(*at) % events);
            }
            Self::Repeat(at) => {
                let at = usize::from(*at) % events;
                history.insert(at, history[at].clone());
            }
            Self::Swap(a, b) => history.swap(usize::from(*a) % events, usize::from(*b) % events),
            Self::Alter(at) => {
                alter(&mut history[usize::from(*at) % events].attributes);
            }
        }
    }
}

/// Gives the events ids and times as if nothing had happened, so that the damage
/// is not seen by looking at the numbers.
pub(crate) fn renumber(history: &mut [HistoryEvent]) {
    let mut time = Timestamp::default();
    for (event, id) in history.iter_mut().zip(1..) {
        event.id = EventId(id);
        time = time.max(event.time);
        event.time = time;
    }
}

/// Changes what a command event records. False for events that record none.
pub(crate) fn alter_command(attributes: &mut EventAttributes) -> bool {
    let is_command = matches!(
        attributes,
        EventAttributes::ActivityTaskScheduled { .. }
            | EventAttributes::WorkflowExecutionUpdateCompleted(_)
            | EventAttributes::ActivityTaskCanceled { failure: None, .. }
            | EventAttributes::ActivityTaskCancelRequested(_)
            | EventAttributes::TimerStarted { .. }
            | EventAttributes::TimerCanceled { .. }
            | EventAttributes::MarkerRecorded(_)
            | EventAttributes::StartChildWorkflowExecutionInitiated(_)
            | EventAttributes::SignalExternalWorkflowExecutionInitiated(_)
            | EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(_)
            | EventAttributes::WorkflowExecutionCompleted { .. }
            | EventAttributes::WorkflowExecutionFailed { .. }
            | EventAttributes::WorkflowExecutionCanceled { .. }
            | EventAttributes::UpsertWorkflowSearchAttributes(_)
            | EventAttributes::WorkflowPropertiesModified(_)
            | EventAttributes::WorkflowTagsModified(_)
            | EventAttributes::WorkflowExecutionContinuedAsNew { .. }
    );
    if is_command {
        alter(attributes);
    }
    is_command
}

fn alter(attributes: &mut EventAttributes) {
    match attributes {
        EventAttributes::WorkflowExecutionStarted(started) => started.input = Payload::new("0"),
        EventAttributes::WorkflowExecutionCancelRequested { reason, .. }
        | EventAttributes::WorkflowExecutionTerminated { reason, .. } => reason.push('!'),
        EventAttributes::WorkflowExecutionSignaled { input, .. } => *input = Payload::new("0"),
        EventAttributes::WorkflowExecutionUpdateAccepted(accepted) => {
            accepted.input = Payload::new("1");
        }
        EventAttributes::WorkflowExecutionUpdateCompleted(completed) => {
            match &mut completed.failure {
                Some(failure) => failure.info.message.push('!'),
                None => completed.result = Payload::new("0"),
            }
        }
        EventAttributes::WorkflowExecutionCompleted { result } => *result = Payload::new("0"),
        EventAttributes::WorkflowExecutionFailed { failure, .. }
        | EventAttributes::ActivityTaskFailed { failure, .. } => failure.info.message.push('!'),
        EventAttributes::WorkflowExecutionCanceled { details } => details.push('!'),
        EventAttributes::WorkflowExecutionContinuedAsNew { input, .. } => {
            *input = Payload::new("0");
        }
        EventAttributes::WorkflowExecutionTimedOut(timed_out) => timed_out.new_run_id = None,
        EventAttributes::WorkflowExecutionDelayEnded {} => {}
        EventAttributes::WorkflowExecutionReset(reset) => reset.reason.push('!'),
        EventAttributes::UpsertWorkflowSearchAttributes(upsert) => {
            upsert.search_attributes.insert("other".to_owned(), None);
        }
        EventAttributes::WorkflowPropertiesModified(modified) => {
            modified.memo.insert("other".to_owned(), None);
        }
        EventAttributes::WorkflowTagsModified(tags)
        | EventAttributes::WorkflowExecutionTagsUpdated(tags) => {
            tags.removed.insert("other".parse().expect("a tag"));
        }
        EventAttributes::WorkflowTaskFailed { message, .. } => message.push('!'),
        EventAttributes::ActivityTaskScheduled { activity_type, options, .. } => {
            match &mut options.task_queue {
                Some(route) => route.queue = QueueName::new("other").expect("a valid name"),
                None => *activity_type = TypeName::new("other").expect("a valid name"),
            }
        }
        EventAttributes::ActivityTaskStarted { scheduled_event_id, .. } => {
            *scheduled_event_id = scheduled_event_id.next();
        }
        EventAttributes::ActivityTaskCancelRequested(request) => {
            request.operation_id = OperationId(request.operation_id.0 + 1);
        }
        EventAttributes::ActivityTaskPaused(paused) => {
            paused.scheduled_event_id = paused.scheduled_event_id.next();
        }
        EventAttributes::ActivityTaskUnpaused(unpaused) => {
            unpaused.scheduled_event_id = unpaused.scheduled_event_id.next();
        }
        EventAttributes::ActivityTaskReset(reset) => reset.attempts_before += 1,
        EventAttributes::ActivityTaskCompleted { operation_id, .. }
        | EventAttributes::ActivityTaskTimedOut { operation_id, .. }
        | EventAttributes::ActivityTaskCanceled { operation_id, .. }
        | EventAttributes::TimerFired { operation_id, .. }
        | EventAttributes::TimerCanceled { operation_id, .. } => {
            *operation_id = OperationId(operation_id.0 + 1);
        }
        EventAttributes::MarkerRecorded(Marker::Version { change_id, .. }) => {
            *change_id = ChangeId::new("other").expect("a valid id");
        }
        EventAttributes::MarkerRecorded(
            Marker::SideEffect { name, .. } | Marker::MutableSideEffect { name, .. },
        ) => *name = ValueName::new("other").expect("a valid name"),
        EventAttributes::WorkflowExecutionOptionsUpdated(options) => options.module_digest = None,
        EventAttributes::StartChildWorkflowExecutionInitiated(child) => {
            child.workflow_type = TypeName::new("other").expect("a valid name");
        }
        EventAttributes::StartChildWorkflowExecutionFailed(e) => next(&mut e.closed_operation_id),
        EventAttributes::ChildWorkflowExecutionStarted(e) => next(&mut e.operation_id),
        EventAttributes::ChildWorkflowExecutionCompleted(e) => next(&mut e.operation_id),
        EventAttributes::ChildWorkflowExecutionFailed(e) => next(&mut e.operation_id),
        EventAttributes::ChildWorkflowExecutionCanceled(e) => next(&mut e.operation_id),
        EventAttributes::ChildWorkflowExecutionTimedOut(e) => next(&mut e.operation_id),
        EventAttributes::ChildWorkflowExecutionTerminated(e) => next(&mut e.operation_id),
        EventAttributes::SignalExternalWorkflowExecutionInitiated(e) => next(&mut e.operation_id),
        EventAttributes::ExternalWorkflowExecutionSignaled(e) => next(&mut e.operation_id),
        EventAttributes::SignalExternalWorkflowExecutionFailed(e) => next(&mut e.operation_id),
        EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(e) => {
            next(&mut e.operation_id);
        }
        EventAttributes::ExternalWorkflowExecutionCancelRequested(e) => next(&mut e.operation_id),
        EventAttributes::RequestCancelExternalWorkflowExecutionFailed(e) => {
            next(&mut e.operation_id);
        }
        EventAttributes::TimerStarted { fire_at, .. } => {
            *fire_at = Timestamp::from_micros(fire_at.as_micros() + 1);
        }
    }
}

fn next(operation_id: &mut OperationId) {
    operation_id.0 += 1;
}
