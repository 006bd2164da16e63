//! The guest ran until it waited or ended: its commands become events.

use dacapo_model::code::ErrorCode;
use dacapo_model::command::{Command, Outcome};
use dacapo_model::event::{ActivityOptions, EventAttributes};
use dacapo_model::execution::Blocked;
use dacapo_model::ids::{EventId, OperationId, RunId};
use dacapo_model::limits::Limits;
use dacapo_model::time::Timestamp;
use uuid::Uuid;

use super::fault::fault;
use crate::state::RunState;
use crate::transition::{Effect, TimerChange, Transition};

/// Records all commands, or blocks the run and records none of them.
pub(super) fn turn(
    state: &mut RunState,
    run_id: RunId,
    commands: Vec<Command>,
    now: Timestamp,
    limits: &Limits,
) -> Transition {
    if let Some(blocked) = over_limit(state, &commands, limits) {
        return fault(state, blocked, now);
    }
    let mut transition = Transition::default();
    for command in commands {
        record(&mut transition, state, run_id, command, now);
    }
    transition
}

/// Whether recording the commands would pass a limit. A turn that asks for
/// nothing never does: a run that is at its limit may still wait.
fn over_limit(state: &RunState, commands: &[Command], limits: &Limits) -> Option<Blocked> {
    let mut events = state.next_event_id.0 - 1;
    let mut open = state.open_operations();
    let mut open_peak = 0;
    for command in commands {
        events += 1;
        match command {
            Command::ScheduleActivity { options, .. } => {
                events += u64::from(is_at_most_once(options));
                open += 1;
                open_peak = open_peak.max(open);
            }
            Command::StartTimer { .. } => {
                open += 1;
                open_peak = open_peak.max(open);
            }
            Command::CancelOperation { .. } => open = open.saturating_sub(1),
            Command::Close(_) => {}
        }
    }
    let closes = matches!(commands.last(), Some(Command::Close(_)));
    let message = if events > limits.history_events_max && !commands.is_empty() && !closes {
        format!(
            "the history would have {events} events; at most {} are allowed. \
             Raise `history_events_max`, or let the workflow continue as new",
            limits.history_events_max
        )
    } else if open_peak > limits.pending_operations_max {
        format!(
            "{open_peak} operations would be pending at a time; at most {} are allowed. \
             Raise `pending_operations_max`, or start fewer at a time",
            limits.pending_operations_max
        )
    } else {
        return None;
    };
    Some(Blocked {
        code: ErrorCode::RunLimitExceeded.as_str().to_owned(),
        message,
        backtrace: None,
        nondeterminism: None,
    })
}

fn record(
    transition: &mut Transition,
    state: &mut RunState,
    run_id: RunId,
    command: Command,
    now: Timestamp,
) {
    match command {
        Command::ScheduleActivity { operation_id, activity_type, input, options } => {
            let at_most_once = is_at_most_once(&options);
            let attributes = EventAttributes::ActivityTaskScheduled {
                operation_id,
                activity_type,
                input,
                options,
            };
            let scheduled_event_id = transition.record(state, now, attributes);
            if at_most_once {
                let attributes =
                    EventAttributes::ActivityTaskStarted { scheduled_event_id, attempt: 1 };
                transition.record(state, now, attributes);
            }
            transition.effects.push(Effect::RunActivity { scheduled_event_id });
        }
        Command::StartTimer { operation_id, fire_at } => {
            let event_id = transition.record(
                state,
                now,
                EventAttributes::TimerStarted { operation_id, fire_at },
            );
            transition.timers.push(TimerChange::SetTimer { event_id, fire_at });
        }
        Command::CancelOperation { operation_id } => {
            // The cursor asks only for what is open.
            if let Some(event_id) = state.open_event(operation_id) {
                cancel(transition, state, operation_id, event_id, now);
            }
        }
        Command::Close(outcome) => close(transition, state, run_id, outcome, now),
    }
}

/// Such an activity is marked as started before it starts: after a crash its
/// attempt is lost, not repeated.
fn is_at_most_once(options: &ActivityOptions) -> bool {
    options.retry.maximum_attempts == 1
}

fn cancel(
    transition: &mut Transition,
    state: &mut RunState,
    operation_id: OperationId,
    event_id: EventId,
    now: Timestamp,
) {
    if let Some(activity) = state.activities.get(&event_id) {
        if activity.attempt > 1 {
            transition.timers.push(TimerChange::Clear { event_id });
        }
        let attributes =
            EventAttributes::ActivityTaskCanceled { scheduled_event_id: event_id, operation_id };
        transition.record(state, now, attributes);
        transition.effects.push(Effect::StopActivity { scheduled_event_id: event_id });
    } else {
        let attributes =
            EventAttributes::TimerCanceled { started_event_id: event_id, operation_id };
        transition.record(state, now, attributes);
        transition.timers.push(TimerChange::Clear { event_id });
    }
}

fn close(
    transition: &mut Transition,
    state: &mut RunState,
    run_id: RunId,
    outcome: Outcome,
    now: Timestamp,
) {
    let attributes = match outcome {
        Outcome::Completed(result) => EventAttributes::WorkflowExecutionCompleted { result },
        Outcome::Failed(failure) => EventAttributes::WorkflowExecutionFailed { failure },
        Outcome::Cancelled(details) => EventAttributes::WorkflowExecutionCanceled { details },
        Outcome::ContinueAsNew { workflow_type, input } => {
            // Derived, so that a repeat of this transition makes the same run.
            let new_run_id = RunId(Uuid::new_v5(&run_id.0, b"continue-as-new"));
            transition.effects.push(Effect::ContinueAsNew {
                new_run_id,
                workflow_type: workflow_type.clone(),
                input: input.clone(),
            });
            EventAttributes::WorkflowExecutionContinuedAsNew { new_run_id, workflow_type, input }
        }
    };
    transition.close(state, now, attributes);
}
