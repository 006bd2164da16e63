//! What must hold of a run that has ended, looking back on its history.

use std::collections::{BTreeMap, BTreeSet};

use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::ids::OperationId;
use dacapo_model::signal::Signal;

use super::guest::{Guest, Taken, number_of};
use super::simulation::{Simulation, asks_for_nothing_new};
use super::stored::{listing, stored};
use super::{Checked, ensure};

/// A node that died after any of the commits finds the run where it was: the
/// guest fits the history, asks for nothing new, and ends in the same place.
pub(crate) fn every_commit_can_be_recovered(run: &Simulation) -> Checked {
    for commit in &run.commits {
        let mut guest = Guest::new(&commit.program);
        let history = &run.history[..commit.events];
        let commands = guest.advance(stored(history)).map_err(|error| {
            format!("replay of the first {} events: {error}\n{}", commit.events, listing(history))
        })?;
        let Some(place) = &commit.place else {
            // Blocked: what the guest would ask for is yet to be recorded.
            continue;
        };
        ensure!(
            asks_for_nothing_new(&commands),
            "replay of the first {} events asks for {commands:?}\n{}",
            commit.events,
            listing(history)
        );
        ensure!(
            guest.place == *place,
            "replay of the first {} events ends at {:?}, not {place:?}\n{}",
            commit.events,
            guest.place,
            listing(history)
        );
    }
    Ok(())
}

/// Code that has changed since, and knows it, fits what the code before it made,
/// wherever that stood.
pub(crate) fn changed_code_fits_all_that_came_before(run: &Simulation) -> Checked {
    let newest = run.program.changed();
    for commit in &run.commits {
        let history = &run.history[..commit.events];
        Guest::new(&newest).advance(stored(history)).map_err(|error| {
            format!(
                "the first {} events, made under version {}: {error}\n{}",
                commit.events,
                commit.program.known,
                listing(history)
            )
        })?;
    }
    Ok(())
}

/// `next` returns things in the order in which they were recorded.
pub(crate) fn deliveries_follow_history(run: &Simulation) -> Checked {
    let mut recorded = Vec::new();
    for event in &run.history {
        match &event.attributes {
            EventAttributes::ActivityTaskCompleted { operation_id, .. }
            | EventAttributes::ActivityTaskFailed { operation_id, .. }
            | EventAttributes::ActivityTaskTimedOut { operation_id, .. }
            | EventAttributes::ActivityTaskCanceled { operation_id, failure: Some(_), .. }
            | EventAttributes::TimerFired { operation_id, .. } => {
                recorded.push(Taken::Outcome(*operation_id));
            }
            EventAttributes::StartChildWorkflowExecutionFailed(e) => {
                recorded.push(Taken::Outcome(e.started_operation_id));
                recorded.push(Taken::Outcome(e.closed_operation_id));
            }
            EventAttributes::ChildWorkflowExecutionStarted(e) => {
                recorded.push(Taken::Outcome(e.operation_id));
            }
            EventAttributes::ChildWorkflowExecutionCompleted(e) => {
                recorded.push(Taken::Outcome(e.operation_id));
            }
            EventAttributes::ChildWorkflowExecutionFailed(e) => {
                recorded.push(Taken::Outcome(e.operation_id));
            }
            EventAttributes::ChildWorkflowExecutionCanceled(e) => {
                recorded.push(Taken::Outcome(e.operation_id));
            }
            EventAttributes::ChildWorkflowExecutionTimedOut(e) => {
                recorded.push(Taken::Outcome(e.operation_id));
            }
            EventAttributes::ChildWorkflowExecutionTerminated(e) => {
                recorded.push(Taken::Outcome(e.operation_id));
            }
            EventAttributes::ExternalWorkflowExecutionSignaled(e) => {
                recorded.push(Taken::Outcome(e.operation_id));
            }
            EventAttributes::SignalExternalWorkflowExecutionFailed(e) => {
                recorded.push(Taken::Outcome(e.operation_id));
            }
            EventAttributes::ExternalWorkflowExecutionCancelRequested(e) => {
                recorded.push(Taken::Outcome(e.operation_id));
            }
            EventAttributes::RequestCancelExternalWorkflowExecutionFailed(e) => {
                recorded.push(Taken::Outcome(e.operation_id));
            }
            EventAttributes::WorkflowExecutionSignaled { input, .. } => {
                recorded.push(Taken::Signal(number_of(input)));
            }
            EventAttributes::WorkflowExecutionUpdateAccepted(accepted) => {
                recorded.push(Taken::Update(accepted.update_id.clone()));
            }
            EventAttributes::WorkflowExecutionCancelRequested { .. } => {
                recorded.push(Taken::CancelRequest);
            }
            _ => {}
        }
    }
    let mut recorded = recorded.iter();
    let Some(place) = run.commits.iter().rev().find_map(|commit| commit.place.as_ref()) else {
        return Ok(());
    };
    for taken in &place.taken {
        ensure!(
            recorded.any(|input| input == taken),
            "`next` returned {:?}, which is not the order of\n{}",
            place.taken,
            listing(&run.history)
        );
    }
    Ok(())
}

/// No timer fires before its time.
pub(crate) fn no_timer_fires_early(history: &[HistoryEvent]) -> Checked {
    let mut due = BTreeMap::<OperationId, _>::new();
    for event in history {
        match &event.attributes {
            EventAttributes::TimerStarted { operation_id, fire_at } => {
                due.insert(*operation_id, *fire_at);
            }
            EventAttributes::TimerFired { operation_id, .. } => ensure!(
                due.get(operation_id).is_some_and(|fire_at| *fire_at <= event.time),
                "the timer of operation {operation_id} fired early at event {}",
                event.id
            ),
            _ => {}
        }
    }
    Ok(())
}

/// Signals of one name are taken in order and without a gap; none is recorded
/// twice; and the next run gets exactly those that this one did not act on.
pub(crate) fn no_signal_is_lost_or_doubled(run: &Simulation) -> Checked {
    let mut requests = BTreeSet::new();
    let mut by_name = BTreeMap::<_, Vec<u64>>::new();
    let mut events = BTreeMap::new();
    for event in &run.history {
        if let Some(signal) = Signal::of_event(&event.attributes) {
            if let Some(request_id) = signal.request_id {
                ensure!(requests.insert(request_id.clone()), "{request_id} was recorded twice");
            }
            let number = number_of(&signal.input);
            by_name.entry(signal.name).or_default().push(number);
            events.insert(number, event.id);
        }
    }
    let Some(place) = run.commits.iter().rev().find_map(|commit| commit.place.as_ref()) else {
        return Ok(());
    };
    for (name, recorded) in &by_name {
        let taken: Vec<_> =
            place.signals.iter().copied().filter(|number| recorded.contains(number)).collect();
        ensure!(recorded.starts_with(&taken), "of {recorded:?}, {name} took {taken:?}");
    }
    if let Some(passed_on) = &run.passed_on {
        let acted_on: BTreeSet<_> = place.signals.iter().collect();
        let unread: Vec<_> = events
            .iter()
            .filter(|(number, _)| !acted_on.contains(number) || place.returned.contains(number))
            .map(|(_, event_id)| *event_id)
            .collect();
        ensure!(*passed_on == unread, "{passed_on:?} are passed on, not {unread:?}");
    }
    Ok(())
}
