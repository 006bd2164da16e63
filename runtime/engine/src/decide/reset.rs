//! A new run begins with a part of another's history.

use std::fmt;
use std::time::Duration;

use dacapo_model::event::{
    EventAttributes, HistoryEvent, Role, WorkflowExecutionOptionsUpdated, WorkflowExecutionReset,
};
use dacapo_model::ids::{EventId, RunId};
use dacapo_model::module::ModuleDigest;
use dacapo_model::signal::Signal;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::TimerKind;
use dacapo_model::update::{AdmittedUpdate, Update};

use super::update;
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
    /// Signals, and updates that were accepted.
    All,
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
    /// The code that the new run goes on with; that of the copied part without it.
    pub module_digest: Option<ModuleDigest>,
    /// Updates that wait for a decision of the run that is replaced, which go over
    /// to the new one unless nothing does.
    pub admitted: Vec<AdmittedUpdate>,
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
        "before event {at} the run waits for {count} other runs (children, signals to others), \
         which would not answer the new one; {}",
        Elsewhere(*before, *after)
    )]
    WaitsForOthers {
        /// Where it was to be cut.
        at: EventId,
        /// How many.
        count: usize,
        /// The nearest possible event before.
        before: Option<EventId>,
        /// The nearest possible event after.
        after: Option<EventId>,
    },
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
        let why = "only where the workflow waits, and for no other run";
        match (self.0, self.1) {
            (None, None) => write!(f, "{why}, and it never did"),
            (before, after) => write!(f, "{why}; {}", Elsewhere(before, after)),
        }
    }
}

struct Elsewhere(Option<EventId>, Option<EventId>);

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Some(before), Some(after)) => write!(f, "the nearest are events {before} and {after}"),
            (Some(nearest), None) | (None, Some(nearest)) => {
                write!(f, "the nearest is event {nearest}")
            }
            (None, None) => write!(f, "and there is no other event to reset it to"),
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
    let count = others(&state);
    if count > 0 {
        let (before, after) = nearest(history, cut)?;
        return Err(ResetRefused::WaitsForOthers { at: event_at(cut), count, before, after });
    }
    let mut transition = Transition { events, ..Transition::default() };
    let marker = WorkflowExecutionReset {
        base_run_id: reset.base_run_id,
        base_event_id: event_at(cut),
        run_id: reset.run_id,
        reason: reset.reason,
    };
    transition.record(&mut state, now, EventAttributes::WorkflowExecutionReset(marker));
    if let Some(digest) = reset.module_digest.filter(|digest| *digest != state.module_digest) {
        let options = WorkflowExecutionOptionsUpdated { module_digest: Some(digest) };
        let updated = EventAttributes::WorkflowExecutionOptionsUpdated(options);
        transition.record(&mut state, now, updated);
    }
    if reset.reapply != Reapply::Nothing {
        for signal in rest.iter().filter_map(|event| Signal::of_event(&event.attributes)) {
            transition.record(&mut state, now, signal.into());
        }
        let accepted = rest.iter().filter_map(accepted_update);
        let accepted = accepted.filter(|_| reset.reapply == Reapply::All);
        let mut last = None;
        for mut admitted in accepted.chain(reset.admitted) {
            // They are offered in the order of these times, and what was accepted
            // comes before what was not.
            let at = last.map_or(admitted.admitted_at, |last: Timestamp| {
                admitted.admitted_at.max(last.after(TICK))
            });
            admitted.admitted_at = at;
            last = Some(at);
            update::admit(&mut transition, &mut state, admitted);
        }
    }
    for (event_id, timer) in &state.timers {
        let set = TimerChange::Set {
            event_id: *event_id,
            fire_at: timer.fire_at,
            kind: TimerKind::Timer,
        };
        transition.timers.push(set);
    }
    transition.timers.extend(state.run_timer().map(TimerChange::from));
    // An only attempt that may have begun is not made again: the owner of the run reports
    // it as lost.
    let again = state.activities.iter_mut().filter(|(_, activity)| !activity.started);
    let again = again.map(|(event_id, activity)| {
        activity.begin_attempt(now);
        *event_id
    });
    for event_id in again.collect::<Vec<_>>() {
        transition.run_attempt(&state, event_id);
    }
    Ok((state, transition))
}

/// Between the arrivals of two updates.
const TICK: Duration = Duration::from_micros(1);

/// An update that the guest took on, as it was before it did.
fn accepted_update(event: &HistoryEvent) -> Option<AdmittedUpdate> {
    let EventAttributes::WorkflowExecutionUpdateAccepted(accepted) = &event.attributes else {
        return None;
    };
    let update = Update {
        id: accepted.update_id.clone(),
        name: accepted.update_name.clone(),
        input: accepted.input.clone(),
    };
    Some(AdmittedUpdate { update, admitted_at: event.time })
}

/// The runs that would answer another run than the new one.
fn others(state: &RunState) -> usize {
    state.children.len() + state.externals.len()
}

fn event_at(cut: usize) -> EventId {
    EventId(cut as u64 + 1)
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
            let (before, after) = nearest(history, cut)?;
            Err(ResetRefused::NoBoundary { at, before, after })
        }
    }
}

/// The events next to a place before which the history can be cut.
fn nearest(
    history: &[HistoryEvent],
    cut: usize,
) -> Result<(Option<EventId>, Option<EventId>), ResetRefused> {
    let first = first_cut(history).ok_or(ResetRefused::NotBegun)?;
    let Some((start, rest)) = history.split_first() else {
        return Err(ResetRefused::NotBegun);
    };
    let mut state = RunState::from_start(start)?;
    let mut before = None;
    for (copied, event) in (1..).zip(rest) {
        let is_possible = copied >= first && others(&state) == 0 && is_boundary(history, copied);
        if is_possible && copied > cut {
            return Ok((before, Some(event.id)));
        }
        if is_possible && copied < cut {
            before = Some(event.id);
        }
        state.apply(event)?;
    }
    Ok((before, None))
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
        .is_some_and(|event| event.attributes.wakes_guest())
}

/// Whether nothing that the guest did in one activation stands on both sides.
fn is_boundary(history: &[HistoryEvent], cut: usize) -> bool {
    let begins_another = |event: &HistoryEvent| match event.attributes.role() {
        Role::Input
        | Role::AcceptedInput
        | Role::FirstActivation
        | Role::Interruption
        | Role::ClosedFromOutside => true,
        Role::Command | Role::ClosingCommand | Role::Note => false,
    };
    ends_in_input(history, cut) || history.get(cut).is_some_and(begins_another)
}

#[cfg(test)]
mod tests {
    use dacapo_model::command::{Command, Outcome};
    use dacapo_model::event::{ChildOptions, RunOptions, WorkflowExecutionStarted};
    use dacapo_model::ids::{SignalName, UpdateId, UpdateName};
    use dacapo_model::payload::Payload;

    use super::*;
    use crate::decide::fixtures::*;
    use crate::decide::{Input, start};
    use crate::transition::{TaskChange, UpdateChange};

    /// A history, as it is made.
    struct Made {
        state: RunState,
        history: Vec<HistoryEvent>,
    }

    impl Made {
        fn with(options: RunOptions) -> Self {
            let started = WorkflowExecutionStarted { options, ..start_attributes() };
            let (state, transition) = start(started, [], [], at(10));
            Self { state, history: transition.events }
        }

        fn new() -> Self {
            Self::with(RunOptions::default())
        }

        fn input(mut self, seconds: u64, what: Input) -> Self {
            let step = input(&mut self.state, seconds, what).expect("it is taken");
            self.history.extend(step.events);
            self
        }

        fn turn<const N: usize>(mut self, seconds: u64, commands: [Command; N]) -> Self {
            let step = take_turn(&mut self.state, seconds, commands);
            self.history.extend(step.events);
            self
        }

        fn reset(
            &self,
            point: ResetPoint,
            reapply: Reapply,
        ) -> Result<(RunState, Transition), ResetRefused> {
            let what = Reset {
                base_run_id: RUN,
                run_id: RunId(uuid::Uuid::from_u128(9)),
                point,
                reapply,
                module_digest: None,
                admitted: Vec::new(),
                reason: "why".to_owned(),
            };
            reset(&self.history, what, at(100))
        }

        #[track_caller]
        fn reset_to(&self, event: u64) -> Transition {
            self.reset(ResetPoint::Event(EventId(event)), Reapply::All).expect("it is possible").1
        }
    }

    fn signal(text: &'static str) -> Input {
        let name = SignalName::new("go").expect("a valid name");
        Input::Signal(Signal { name, input: Payload::new(text), request_id: None })
    }

    fn update(id: &str) -> Update {
        let name = UpdateName::new("add").expect("a valid name");
        let id = UpdateId::new(id).expect("a valid id");
        Update { id, name, input: Payload::new("1") }
    }

    fn accept(id: &str) -> Command {
        Command::AcceptUpdate { update: update(id), offered_at: at(12) }
    }

    /// The updates that the new run begins with, in the order of their offers.
    fn admitted(transition: &Transition) -> Vec<String> {
        let mut admitted: Vec<_> = transition
            .updates
            .iter()
            .map(|change| match change {
                UpdateChange::Admit(admitted) => {
                    (admitted.admitted_at, admitted.update.id.to_string())
                }
                other @ UpdateChange::Remove(_) => panic!("nothing was there: {other:?}"),
            })
            .collect();
        admitted.sort();
        admitted.into_iter().map(|(_, id)| id).collect()
    }

    /// Two activities, one after the other.
    fn steps() -> Made {
        Made::new()
            .turn(10, [schedule(1, options())])
            .input(11, returns(1, Ok(Payload::new("1"))))
            .turn(11, [start_timer(2, 20)])
    }

    #[test]
    fn what_is_kept_is_a_copy_and_what_is_pending_in_it_starts_over() {
        let made = steps().input(20, Input::TimerDue { event_id: EventId(4) });
        let transition = made.reset_to(5);
        assert_eq!(transition.events[1..4], made.history[1..4]);
        assert_eq!(transition.events.len(), 5);
        let EventAttributes::WorkflowExecutionReset(marker) = &transition.events[4].attributes
        else {
            panic!("not marked: {transition:?}");
        };
        assert_eq!((marker.base_run_id, marker.base_event_id), (RUN, EventId(5)));
        let set =
            TimerChange::Set { event_id: EventId(4), fire_at: at(20), kind: TimerKind::Timer };
        assert_eq!(transition.timers, [set], "it is due already");

        let (state, _) =
            made.reset(ResetPoint::Event(EventId(3)), Reapply::All).expect("it is possible");
        assert_eq!(state.activities.keys().copied().collect::<Vec<_>>(), [EVENT]);
    }

    #[test]
    fn tasks_of_the_part_that_is_kept_wait_for_workers_again() {
        let made = Made::new()
            .turn(10, [schedule(1, queued(attempts(1))), schedule(2, queued(options()))])
            .input(11, signal("1"))
            .turn(11, [ask_to_cancel(2, 5), start_timer(3, 20)])
            .input(12, signal("2"));
        let (state, transition) =
            made.reset(ResetPoint::Event(EventId(7)), Reapply::Nothing).expect("it is possible");
        let tell = TaskChange::Tell {
            scheduled_event_id: EventId(3),
            cancel_until: Some(at(16)),
            paused: false,
            visible_at: at(100),
        };
        let again = |event| TaskChange::Schedule { scheduled_event_id: EventId(event) };
        assert_eq!(transition.tasks, [again(2), again(3), tell]);
        assert_eq!((transition.effects, state.has_duties()), (vec![], false));
        assert!(state.activities.values().all(|it| it.visible_at() == Some(at(100))));
    }

    #[test]
    fn the_new_run_has_all_its_time_again() {
        let minute = Some(Duration::from_secs(60));
        let options =
            RunOptions { run_timeout: minute, execution_timeout: minute, ..RunOptions::default() };
        let (state, _) =
            Made::with(options).reset(ResetPoint::First, Reapply::All).expect("it is possible");
        assert_eq!((state.begun_at, state.chain.execution_deadline), (at(100), Some(at(160))));
    }

    #[test]
    fn places_with_names() {
        let made = steps().input(12, signal("1")).turn(12, [start_timer(3, 30)]);
        for (point, copied) in [
            (ResetPoint::First, 1),
            // After the signal, which is answered again.
            (ResetPoint::LastActivation, 5),
        ] {
            let (_, transition) = made.reset(point, Reapply::Nothing).expect("it is possible");
            assert_eq!(transition.events.len(), copied + 1, "{point:?}");
        }
    }

    #[test]
    fn signals_and_updates_of_the_rest_happen_again() {
        let made = Made::new()
            .input(11, signal("1"))
            .input(12, Input::Update(update("b")))
            .turn(12, [accept("b")])
            .input(12, Input::Update(update("a")))
            .turn(12, [accept("a")])
            .input(13, signal("2"));
        let transition = made.reset_to(2);
        let signaled = "WorkflowExecutionSignaled";
        let expected = ["WorkflowExecutionStarted", "WorkflowExecutionReset", signaled, signaled];
        assert_eq!(event_types(&transition), expected);
        assert_eq!(admitted(&transition), ["b", "a"], "in their order, not that of their names");
        let (_, transition) =
            made.reset(ResetPoint::First, Reapply::Signals).expect("it is possible");
        assert_eq!((transition.events.len(), admitted(&transition).len()), (4, 0));
        let (_, transition) =
            made.reset(ResetPoint::First, Reapply::Nothing).expect("it is possible");
        assert_eq!((transition.events.len(), admitted(&transition).len()), (2, 0));
        // One that was accepted in the part that is kept is known there.
        assert_eq!(admitted(&made.reset_to(4)), ["a"]);
    }

    #[test]
    fn what_the_guest_did_between_two_waits_is_not_cut_in_two() {
        let made = Made::new()
            .turn(10, [start_timer(1, 20), start_timer(2, 30), start_timer(3, 40)])
            .input(20, Input::TimerDue { event_id: EventId(2) });
        let refused = made.reset(ResetPoint::Event(EventId(4)), Reapply::All);
        let nearest = (Some(EventId(2)), Some(EventId(5)));
        assert!(
            matches!(
                refused,
                Err(ResetRefused::NoBoundary { before, after, .. }) if (before, after) == nearest
            ),
            "{refused:?}"
        );
    }

    #[test]
    fn while_it_waits_for_a_child_the_nearest_events_are_those_without_one() {
        let child = dacapo_model::command::StartChild {
            started_operation_id: dacapo_model::ids::OperationId(2),
            closed_operation_id: dacapo_model::ids::OperationId(3),
            workflow_type: start_attributes().workflow_type,
            input: Payload::default(),
            options: ChildOptions::default(),
        };
        let made = Made::new()
            .turn(10, [schedule(1, options())])
            .input(11, returns(1, Ok(Payload::new("1"))))
            .turn(11, [Command::StartChild(Box::new(child))])
            .input(12, signal("1"))
            .input(13, signal("2"));
        let refused = made.reset(ResetPoint::Event(EventId(6)), Reapply::All);
        let Err(error @ ResetRefused::WaitsForOthers { count: 1, before, after, .. }) = refused
        else {
            panic!("not refused: {refused:?}");
        };
        assert_eq!((before, after), (Some(EventId(4)), None));
        assert!(error.to_string().ends_with("the nearest is event 4"), "{error}");
        made.reset_to(4);
    }

    #[test]
    fn a_run_that_never_began_or_only_ended_has_nothing_in_between() {
        let delayed = RunOptions { delayed_until: Some(at(30)), ..RunOptions::default() };
        let refused = Made::with(delayed).reset(ResetPoint::First, Reapply::All);
        assert_eq!(refused, Err(ResetRefused::NotBegun));
        let ended = Made::new().turn(11, [Command::Close(Outcome::Completed(Payload::default()))]);
        assert_eq!(event_types(&ended.reset_to(2)).len(), 2);
    }
}
