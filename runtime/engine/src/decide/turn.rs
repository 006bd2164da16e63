//! The guest ran until it waited or ended: its commands become events.

use std::collections::BTreeSet;
use std::time::Duration;

use dacapo_model::attributes::AttributeChanges;
use dacapo_model::code::ErrorCode;
use dacapo_model::command::{Command, Outcome};
use dacapo_model::event::{
    ActivityOptions, ActivityTaskCancelRequested, EventAttributes, UpsertWorkflowSearchAttributes,
    WorkflowPropertiesModified,
};
use dacapo_model::execution::Blocked;
use dacapo_model::ids::{EventId, OperationId, RunId};
use dacapo_model::limits::Limits;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::TimerKind;

use super::chain;
use super::fault::fault;
use super::{child, external, update};
use crate::replay::command_bytes;
use crate::state::{PendingChild, Placement, RunState};
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
    let mut pending = state.pending_operations();
    let mut pending_peak = 0;
    let mut new_children = BTreeSet::new();
    let mut bytes = state.history_bytes;
    let mut attributes = None;
    for command in commands {
        events += u64::from(!matches!(command, Command::Publish { .. }));
        bytes += command_bytes(command);
        match command {
            Command::ScheduleActivity { options, .. } => {
                events += u64::from(is_at_most_once(options));
                pending += 1;
                pending_peak = pending_peak.max(pending);
            }
            Command::StartTimer { .. }
            | Command::SignalExternal(_)
            | Command::CancelExternal(_) => {
                pending += 1;
                pending_peak = pending_peak.max(pending);
            }
            // Its start and its end.
            Command::StartChild(child) => {
                new_children.insert(child.closed_operation_id);
                pending += 2;
                pending_peak = pending_peak.max(pending);
            }
            // Giving a child up leaves it pending.
            Command::CancelOperation { operation_id }
                if new_children.contains(operation_id)
                    || pending_child(state, *operation_id).is_some() => {}
            Command::CancelOperation { .. } => pending = pending.saturating_sub(1),
            Command::UpsertAttributes(changes) => {
                let current = || state.options.attributes.clone();
                attributes.get_or_insert_with(current).apply(changes);
            }
            Command::Close(Outcome::ContinueAsNew { options, .. })
                if !options.attributes.is_empty() =>
            {
                let current = || state.options.attributes.clone();
                attributes.get_or_insert_with(current).apply(&options.attributes);
            }
            Command::AcceptUpdate { .. }
            | Command::CompleteUpdate { .. }
            | Command::Publish { .. }
            | Command::RecordMarker(_)
            | Command::RequestCancelActivity { .. }
            | Command::Close(_) => {}
        }
    }
    let records = commands.iter().any(|it| !matches!(it, Command::Publish { .. }));
    let closes = matches!(commands.last(), Some(Command::Close(_)));
    let message = if events > limits.history_events_max && records && !closes {
        format!(
            "the history would have {events} events; at most {} are allowed. \
             Raise `history_events_max`, or let the workflow continue as new",
            limits.history_events_max
        )
    } else if bytes > limits.history_bytes_max && !commands.is_empty() && !closes {
        format!(
            "the history would have about {bytes} bytes; at most {} are allowed. \
             Raise `history_bytes_max`, or let the workflow continue as new",
            limits.history_bytes_max
        )
    } else if let Some(Err(error)) = attributes.map(|attributes| attributes.check()) {
        format!("{error}. Let the workflow say less about its run")
    } else if pending_peak > limits.pending_operations_max {
        format!(
            "{pending_peak} operations would be pending at a time; at most {} are allowed. \
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
            // By the clock, which may have been set back since something was recorded.
            if let Some(activity) = state.activities.get_mut(&scheduled_event_id) {
                activity.begin_attempt(now);
            }
            if at_most_once {
                let attributes = EventAttributes::ActivityTaskStarted {
                    scheduled_event_id,
                    attempt: 1,
                    open: None,
                };
                transition.record(state, now, attributes);
            }
            transition.run_attempt(state, scheduled_event_id);
        }
        Command::StartTimer { operation_id, fire_at } => {
            // For the run, time does not go back when the clock does. What it waits for
            // takes as long as it said all the same.
            let due_at = fire_at.before(state.last_event_at.since(now));
            let started = EventAttributes::TimerStarted { operation_id, fire_at };
            let event_id = transition.record(state, now, started);
            state.note_timer(event_id, due_at);
            transition.timers.push(TimerChange::Set {
                event_id,
                fire_at: due_at,
                kind: TimerKind::Timer,
            });
        }
        Command::StartChild(command) => child::initiate(transition, state, run_id, *command, now),
        Command::SignalExternal(command) => {
            external::initiate_signal(transition, state, *command, now);
        }
        Command::CancelExternal(command) => {
            external::initiate_cancel(transition, state, *command, now);
        }
        Command::CancelOperation { operation_id } => {
            // The cursor asks only for what is pending.
            if let Some(event_id) = state.operation_event(operation_id) {
                cancel(transition, state, operation_id, event_id, now);
            }
        }
        Command::AcceptUpdate { update, offered_at } => {
            update::accept(transition, state, update, offered_at);
        }
        Command::CompleteUpdate { update_id, outcome } => {
            update::complete(transition, state, update_id, outcome, now);
        }
        Command::Publish { name, value } => transition.published.push((name, value)),
        Command::RecordMarker(marker) => {
            transition.record(state, now, EventAttributes::MarkerRecorded(marker));
        }
        Command::RequestCancelActivity { operation_id, grace } => {
            if let Some(event_id) = state.operation_event(operation_id) {
                request_cancel(transition, state, operation_id, event_id, grace, now);
            }
        }
        Command::UpsertAttributes(changes) => {
            let AttributeChanges { memo, search_attributes, tags } = changes;
            if !tags.is_empty() {
                let attributes = EventAttributes::WorkflowTagsModified(tags.into());
                transition.record(state, now, attributes);
            } else if !memo.is_empty() {
                let modified = WorkflowPropertiesModified { memo };
                let attributes = EventAttributes::WorkflowPropertiesModified(modified);
                transition.record(state, now, attributes);
            } else {
                let upsert = UpsertWorkflowSearchAttributes { search_attributes };
                let attributes = EventAttributes::UpsertWorkflowSearchAttributes(upsert);
                transition.record(state, now, attributes);
            }
            transition.attributes = Some(state.options.attributes.clone());
        }
        Command::Close(outcome) => close(transition, state, run_id, outcome, now),
    }
}

/// Such an activity is marked as started before it starts: after a crash its
/// attempt is lost, not repeated. An attempt of a worker outlives crashes here, and its
/// lease says whether it has begun.
fn is_at_most_once(options: &ActivityOptions) -> bool {
    options.retry.maximum_attempts == 1 && options.task_queue.is_none()
}

/// The child that a pending operation belongs to, if it belongs to one.
fn pending_child(state: &RunState, operation_id: OperationId) -> Option<&PendingChild> {
    // Most runs have none: they need not look their operations up.
    if state.children.is_empty() {
        return None;
    }
    state.children.get(&state.operation_event(operation_id)?)
}

fn cancel(
    transition: &mut Transition,
    state: &mut RunState,
    operation_id: OperationId,
    event_id: EventId,
    now: Timestamp,
) {
    if pending_child(state, operation_id).is_some() {
        child::request_cancel(transition, state, event_id, now);
    } else if state.activities.contains_key(&event_id) {
        let is_queued = transition.remove_rows(state, event_id);
        let attributes = EventAttributes::ActivityTaskCanceled {
            scheduled_event_id: event_id,
            operation_id,
            failure: None,
        };
        transition.record(state, now, attributes);
        if !is_queued {
            transition.effects.push(Effect::GiveUpActivity { scheduled_event_id: event_id });
        }
    } else {
        let attributes =
            EventAttributes::TimerCanceled { started_event_id: event_id, operation_id };
        transition.record(state, now, attributes);
        transition.timers.push(TimerChange::Clear { event_id });
    }
}

/// Records the request. The operation stays pending until the activity has ended.
fn request_cancel(
    transition: &mut Transition,
    state: &mut RunState,
    operation_id: OperationId,
    event_id: EventId,
    grace: Duration,
    now: Timestamp,
) {
    let request = ActivityTaskCancelRequested { scheduled_event_id: event_id, operation_id, grace };
    transition.record(state, now, EventAttributes::ActivityTaskCancelRequested(request));
    if let Some(activity) = state.activities.get_mut(&event_id)
        && let Placement::Outside(outside) = &mut activity.placement
    {
        // Nothing here runs for it: the row sees that it ends.
        let fire_at = outside.deadline.min(now.after(grace));
        outside.deadline = fire_at;
        transition.timers.push(TimerChange::Set {
            event_id,
            fire_at,
            kind: TimerKind::ActivityTimeout {
                attempt: activity.attempt,
                last_failure: activity.last_failure.clone(),
                details: activity.heartbeat_details.clone(),
            },
        });
    }
    transition.tell_attempt(state, event_id);
}

fn close(
    transition: &mut Transition,
    state: &mut RunState,
    run_id: RunId,
    outcome: Outcome,
    now: Timestamp,
) {
    let (attributes, next) = match outcome {
        Outcome::Completed(result) => {
            (EventAttributes::WorkflowExecutionCompleted { result }, None)
        }
        Outcome::Failed { failure, unread_signals } => {
            let (retry_state, next) =
                chain::next_attempt(state, run_id, &failure, unread_signals, now);
            let new_run_id = next.as_ref().map(|next| next.run_id);
            let attributes =
                EventAttributes::WorkflowExecutionFailed { failure, retry_state, new_run_id };
            (attributes, next)
        }
        Outcome::Cancelled(details) => {
            (EventAttributes::WorkflowExecutionCanceled { details }, None)
        }
        Outcome::ContinueAsNew { workflow_type, input, options, unread_signals } => {
            let next = chain::continuation(
                state,
                run_id,
                workflow_type.clone(),
                input.clone(),
                &options,
                unread_signals,
                now,
            );
            let attributes = EventAttributes::WorkflowExecutionContinuedAsNew {
                new_run_id: next.run_id,
                workflow_type,
                input,
                options,
            };
            (attributes, Some(next))
        }
    };
    transition.close(state, now, attributes);
    transition.effects.extend(next.map(|next| Effect::StartNext(Box::new(next))));
}

#[cfg(test)]
mod tests {
    use dacapo_model::execution::ExecutionStatus;
    use dacapo_model::failure::{Failure, FailureKind};
    use dacapo_model::ids::TypeName;
    use dacapo_model::payload::Payload;

    use super::*;
    use crate::decide::Input;
    use crate::decide::Refusal;
    use crate::decide::fixtures::*;

    fn complete() -> Command {
        Command::Close(Outcome::Completed(Payload::new("true")))
    }

    fn limits(pending_operations_max: usize, history_events_max: u64) -> Limits {
        Limits { pending_operations_max, history_events_max, ..Limits::default() }
    }

    /// Asserts that nothing but the fault was recorded.
    #[track_caller]
    fn assert_blocked(transition: &Transition, message: &str) {
        assert_eq!(
            *only_event(transition),
            EventAttributes::WorkflowTaskFailed {
                code: "run_limit_exceeded".to_owned(),
                message: message.to_owned(),
            }
        );
        assert_eq!(status(transition).status, ExecutionStatus::Blocked);
        assert_eq!(transition.timers, []);
        assert_eq!(transition.effects, []);
    }

    #[test]
    fn what_the_guest_asked_for_is_recorded_in_order() {
        let mut state = begun();
        let transition = take_turn(&mut state, 11, [schedule(1, options()), start_timer(2, 20)]);
        assert_eq!(event_types(&transition), ["ActivityTaskScheduled", "TimerStarted"]);
        let ids: Vec<_> = transition.events.iter().map(|event| event.id.0).collect();
        assert_eq!(ids, [2, 3]);
        assert_eq!(transition.effects, [run_activity()]);
        let timer =
            TimerChange::Set { event_id: EventId(3), fire_at: at(20), kind: TimerKind::Timer };
        assert_eq!(transition.timers, [timer]);
        assert_eq!(transition.status, None);
    }

    #[test]
    fn a_turn_that_asks_for_nothing_changes_nothing() {
        let mut state = begun();
        let before = state.clone();
        assert_eq!(take_turn(&mut state, 11, []), Transition::default());
        assert_eq!(state, before);
    }

    #[test]
    fn an_only_attempt_is_marked_as_started_before_it_starts() {
        let mut state = begun();
        let transition = take_turn(&mut state, 11, [schedule(1, attempts(1))]);
        assert_eq!(event_types(&transition), ["ActivityTaskScheduled", "ActivityTaskStarted"]);
        assert_eq!(
            transition.events[1].attributes,
            EventAttributes::ActivityTaskStarted {
                scheduled_event_id: EVENT,
                attempt: 1,
                open: None,
            }
        );
        assert_eq!(transition.effects, [run_activity()]);
    }

    #[test]
    fn giving_an_activity_up_stops_it() {
        let mut state = with_activity(options());
        let transition = take_turn(&mut state, 11, [give_up(1)]);
        assert_eq!(event_types(&transition), ["ActivityTaskCanceled"]);
        let told = Effect::GiveUpActivity { scheduled_event_id: EVENT };
        assert_eq!(transition.effects, [told]);
        assert_eq!(transition.timers, [], "a first attempt has no row");
        let late = input(&mut state, 12, returns(1, Ok(Payload::default())));
        assert_eq!(late, Err(Refusal::Stale));
    }

    #[test]
    fn giving_an_activity_up_that_is_to_be_tried_again_clears_its_row() {
        let mut state = with_activity(options());
        fail_once(&mut state);
        assert_eq!(take_turn(&mut state, 10, [give_up(1)]).timers, [clear()]);
        assert_eq!(input(&mut state, 11, row_is_due()), Err(Refusal::Stale));
    }

    #[test]
    fn giving_a_timer_up_clears_its_row() {
        let mut state = with_timer();
        let transition = take_turn(&mut state, 11, [give_up(1)]);
        assert_eq!(event_types(&transition), ["TimerCanceled"]);
        assert_eq!(transition.timers, [clear()]);
        assert_eq!(input(&mut state, 20, row_is_due()), Err(Refusal::Stale));
    }

    #[test]
    fn each_end_closes_the_run_and_gives_up_what_is_pending() {
        let failure = Failure::new(FailureKind::Application, "Odd", "why?");
        let ends = [
            (Outcome::Completed(Payload::default()), ExecutionStatus::Completed),
            (Outcome::Failed { failure, unread_signals: Vec::new() }, ExecutionStatus::Failed),
            (Outcome::Cancelled("undone".to_owned()), ExecutionStatus::Canceled),
        ];
        for (outcome, expected) in ends {
            let mut state = with_activity(options());
            fail_once(&mut state);
            take_turn(&mut state, 10, [start_timer(2, 20)]);
            let transition = take_turn(&mut state, 12, [Command::Close(outcome)]);
            let change = status(&transition);
            assert_eq!((change.status, change.closed_at), (expected, Some(at(12))));
            assert_eq!(transition.timers, [TimerChange::Clear { event_id: EventId(3) }, clear()]);
            assert_eq!(transition.effects, [stop_activity()]);
            assert_eq!(state.pending_operations(), 0);
            assert_eq!(input(&mut state, 12, row_is_due()), Err(Refusal::Closed));
        }
    }

    #[test]
    fn continuing_as_new_names_the_same_new_run_each_time() {
        let continued = || {
            let mut state = begun();
            let workflow_type = TypeName::new("order").expect("a valid name");
            let input = Payload::new("18");
            take_turn(
                &mut state,
                12,
                [Command::Close(Outcome::ContinueAsNew {
                    workflow_type,
                    input,
                    options: Box::default(),
                    unread_signals: vec![EventId(3)],
                })],
            )
        };
        let transition = continued();
        let [Effect::StartNext(next)] = &transition.effects[..] else {
            panic!("a new run was expected: {transition:?}");
        };
        assert_eq!(next.unread_signals[..], [EventId(3)], "the new run is to get them");
        assert_ne!(next.run_id, RUN);
        assert!(matches!(
            only_event(&transition),
            EventAttributes::WorkflowExecutionContinuedAsNew { new_run_id: id, .. }
                if *id == next.run_id
        ));
        assert_eq!(transition, continued());
    }

    #[test]
    fn too_many_pending_operations_block_the_run_and_record_nothing_else() {
        let mut state = with_timer();
        let commands = [start_timer(2, 20), schedule(3, options())];
        let transition = take_turn_within(&mut state, 11, commands.clone(), &limits(2, 100));
        assert_blocked(
            &transition,
            "3 operations would be pending at a time; at most 2 are allowed. \
             Raise `pending_operations_max`, or start fewer at a time",
        );
        assert_eq!(state.pending_operations(), 1);

        input(&mut state, 12, Input::Retry).expect("it is blocked");
        let transition = take_turn_within(&mut state, 12, commands, &limits(3, 100));
        assert_eq!(event_types(&transition), ["TimerStarted", "ActivityTaskScheduled"]);
    }

    #[test]
    fn what_is_given_up_makes_room_for_what_is_started_next() {
        let mut state = with_timer();
        let commands = [give_up(1), start_timer(2, 20), give_up(2), start_timer(3, 20)];
        let transition = take_turn_within(&mut state, 11, commands, &limits(1, 100));
        assert_eq!(transition.events.len(), 4);

        let mut state = with_timer();
        let commands = [start_timer(2, 20), give_up(1)];
        let transition = take_turn_within(&mut state, 11, commands, &limits(1, 100));
        assert_eq!(status(&transition).status, ExecutionStatus::Blocked);
    }

    #[test]
    fn too_long_a_history_blocks_the_run_and_records_nothing_else() {
        let mut state = with_timer();
        let transition = take_turn_within(&mut state, 11, [schedule(2, options())], &limits(9, 2));
        assert_blocked(
            &transition,
            "the history would have 3 events; at most 2 are allowed. \
             Raise `history_events_max`, or let the workflow continue as new",
        );
    }

    #[test]
    fn the_mark_of_an_only_attempt_counts_as_an_event() {
        let one_too_many =
            take_turn_within(&mut begun(), 11, [schedule(1, attempts(1))], &limits(9, 2));
        assert_eq!(status(&one_too_many).status, ExecutionStatus::Blocked);
        let enough = take_turn_within(&mut begun(), 11, [schedule(1, attempts(1))], &limits(9, 3));
        assert_eq!(enough.events.len(), 2);
    }

    fn why_blocked(transition: &Transition) -> &str {
        match only_event(transition) {
            EventAttributes::WorkflowTaskFailed { message, .. } => message,
            other => panic!("the run was to be blocked: {other:?}"),
        }
    }

    #[test]
    fn the_history_has_room_for_so_many_bytes() {
        let limits = |history_bytes_max| Limits { history_bytes_max, ..Limits::default() };
        let needed = begun().history_bytes + command_bytes(&schedule(1, options()));
        let over =
            take_turn_within(&mut begun(), 11, [schedule(1, options())], &limits(needed - 1));
        assert!(why_blocked(&over).contains("`history_bytes_max`"));
        let mut state = begun();
        take_turn_within(&mut state, 11, [schedule(1, options())], &limits(needed));
        assert_eq!(state.history_bytes, needed, "events count for what their commands did");
    }

    #[test]
    fn what_a_workflow_says_about_its_run_is_recorded_and_shown() {
        let note = |text: &str| AttributeChanges {
            memo: [("note".to_owned(), Some(text.into()))].into(),
            ..AttributeChanges::default()
        };
        let mut state = begun();
        let transition = take_turn(&mut state, 11, [Command::UpsertAttributes(note("a"))]);
        assert_eq!(event_types(&transition), ["WorkflowPropertiesModified"]);
        assert_eq!(transition.attributes, Some(state.options.attributes.clone()));
        assert_eq!(state.options.attributes.memo["note"], "a".into());

        let long = note(&"x".repeat(dacapo_model::limits::MEMO_BYTES_MAX));
        let over = take_turn(&mut state, 11, [Command::UpsertAttributes(long)]);
        assert!(why_blocked(&over).starts_with("the memo has"));
    }

    #[test]
    fn a_run_at_its_limits_may_still_wait_and_end() {
        let tight = limits(1, 2);
        let mut state = with_timer();
        input(
            &mut state,
            11,
            Input::RequestCancel { reason: "enough".to_owned(), request_id: None },
        )
        .expect("inputs are always recorded");
        assert_eq!(take_turn_within(&mut state, 11, [], &tight), Transition::default());
        let transition = take_turn_within(&mut state, 11, [give_up(1), complete()], &tight);
        assert_eq!(event_types(&transition), ["TimerCanceled", "WorkflowExecutionCompleted"]);
    }
}
