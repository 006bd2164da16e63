//! A new run begins with a part of another's history.

use std::fmt;

use dacapo_model::event::{EventAttributes, HistoryEvent, WorkflowExecutionReset};
use dacapo_model::ids::{EventId, RunId};
use dacapo_model::signal::Signal;
use dacapo_model::time::Timestamp;

use crate::replay::is_delivered;
use crate::state::{IllegalEvent, RunState};
use crate::transition::{TimerChange, Transition};

/// Where to cut a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetPoint {
    /// Before this event.
    Event(EventId),
    /// After the start: all that the guest did is done again.
    First,
    /// After what the guest answered last: that is answered again.
    LastActivation,
}

/// What of the rest of the history happens to the new run as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reapply {
    /// Signals.
    Signals,
    /// Nothing.
    Nothing,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// The run whose history it is.
    pub base_run_id: RunId,
    /// The new run.
    pub run_id: RunId,
    /// Where to cut.
    pub point: ResetPoint,
    /// What to keep of the rest.
    pub reapply: Reapply,
    /// Why, for people.
    pub reason: String,
}

/// Why a history can't be cut so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResetRefused {
    /// What the guest did in one activation would be cut in two, or what belongs
    /// to the start would be missing.
    #[error("the history can't be cut before event {at}: {}", Nearest(*before, *after))]
    NoBoundary {
        /// Where it was to be cut.
        at: EventId,
        /// The nearest possible event before.
        before: Option<EventId>,
        /// The nearest possible event after.
        after: Option<EventId>,
    },
    /// Other runs would answer the run that was copied, not the new one.
    #[error(
        "at that point the run waits for {0} other runs (children, signals to others), which would \
         not answer the new one: reset to an event before they were asked or after they answered"
    )]
    WaitsForOthers(usize),
    /// The guest never ran.
    #[error("the run has not begun: there is nothing to go back to")]
    NotBegun,
    /// The history is corrupt.
    #[error("the history is corrupt: {0}")]
    Corrupt(#[from] IllegalEvent),
}

struct Nearest(Option<EventId>, Option<EventId>);

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = "only where the workflow waits";
        match (self.0, self.1) {
            (Some(before), Some(after)) => {
                write!(f, "{why}; the nearest are events {before} and {after}")
            }
            (Some(nearest), None) | (None, Some(nearest)) => {
                write!(f, "{why}; the nearest is event {nearest}")
            }
            (None, None) => write!(f, "{why}, and it never did"),
        }
    }
}

/// The state and the first transition of the new run: all that is copied, the
/// event that says so, and what happens to it as well. Timers are set again;
/// activities without an outcome are to be run again.
pub fn reset(
    history: &[HistoryEvent],
    reset: Reset,
    now: Timestamp,
) -> Result<(RunState, Transition), ResetRefused> {
    let cut = cut(history, reset.point)?;
    let (copied, rest) = history.split_at(cut.min(history.len()));
    let mut events = copied.to_vec();
    if let Some(EventAttributes::WorkflowExecutionStarted(started)) =
        events.first_mut().map(|event| &mut event.attributes)
    {
        // The request led to the other run.
        started.request_id = None;
        started.chain.original_run_id.get_or_insert(reset.base_run_id);
    }
    let mut state = RunState::from_history(&events)?.ok_or(ResetRefused::NotBegun)?;
    let others = state.children.len() + state.externals.len();
    if others > 0 {
        return Err(ResetRefused::WaitsForOthers(others));
    }
    let mut transition = Transition { events, ..Transition::default() };
    let marker = WorkflowExecutionReset {
        base_run_id: reset.base_run_id,
        base_event_id: EventId(cut as u64 + 1),
        run_id: reset.run_id,
        reason: reset.reason,
    };
    transition.record(&mut state, now, EventAttributes::WorkflowExecutionReset(marker));
    if reset.reapply == Reapply::Signals {
        for signal in rest.iter().filter_map(|event| Signal::of_event(&event.attributes)) {
            transition.record(&mut state, now, signal.into());
        }
    }
    for (event_id, timer) in &state.timers {
        let set = TimerChange::SetTimer { event_id: *event_id, fire_at: timer.fire_at };
        transition.timers.push(set);
    }
    transition.timers.extend(state.run_timer().map(TimerChange::SetRunTimer));
    Ok((state, transition))
}

/// How many events to copy.
fn cut(history: &[HistoryEvent], point: ResetPoint) -> Result<usize, ResetRefused> {
    let first = first_cut(history).ok_or(ResetRefused::NotBegun)?;
    match point {
        ResetPoint::First => Ok(first),
        ResetPoint::LastActivation => {
            let closed = history.last().is_some_and(|event| event.attributes.is_closing());
            let last = history.len() - usize::from(closed);
            let answered = (first..=last).rev().find(|cut| ends_in_input(history, *cut));
            Ok(answered.unwrap_or(first))
        }
        ResetPoint::Event(at) => {
            let cut = usize::try_from(at.0.saturating_sub(1)).unwrap_or(usize::MAX);
            if cut < history.len() && cut >= first && is_boundary(history, cut) {
                return Ok(cut);
            }
            let event = |cut: usize| EventId(cut as u64 + 1);
            let mut before = (first..cut.min(history.len())).rev();
            let mut after = (cut.saturating_add(1).max(first))..history.len();
            Err(ResetRefused::NoBoundary {
                at,
                before: before.find(|cut| is_boundary(history, *cut)).map(event),
                after: after.find(|cut| is_boundary(history, *cut)).map(event),
            })
        }
    }
}

/// After the start and what belongs to it: the signals that were there before the
/// guest ran, and the end of a delay.
fn first_cut(history: &[HistoryEvent]) -> Option<usize> {
    let EventAttributes::WorkflowExecutionStarted(started) = &history.first()?.attributes else {
        return None;
    };
    if started.options.delayed_until.is_some() {
        let ended = |event: &HistoryEvent| {
            matches!(event.attributes, EventAttributes::WorkflowExecutionDelayEnded {})
        };
        return history.iter().position(ended).map(|at| at + 1);
    }
    let signals = usize::try_from(started.initial_signals).unwrap_or(usize::MAX);
    Some(signals.saturating_add(1).min(history.len()))
}

fn ends_in_input(history: &[HistoryEvent], cut: usize) -> bool {
    cut.checked_sub(1)
        .and_then(|last| history.get(last))
        .is_some_and(|event| is_delivered(&event.attributes))
}

/// Whether nothing that the guest did in one activation stands on both sides.
fn is_boundary(history: &[HistoryEvent], cut: usize) -> bool {
    let after = history.get(cut).map(|event| &event.attributes);
    ends_in_input(history, cut)
        || after.is_some_and(|attributes| {
            is_delivered(attributes)
                || matches!(
                    attributes,
                    EventAttributes::WorkflowTaskFailed { .. }
                        | EventAttributes::WorkflowExecutionReset(_)
                        | EventAttributes::WorkflowExecutionTerminated { .. }
                        | EventAttributes::WorkflowExecutionTimedOut(_)
                )
        })
}
