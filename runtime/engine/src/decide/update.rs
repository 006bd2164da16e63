//! Someone asks a run to do something, and waits for the answer.
//!
//! A request is *admitted* first, which is no event: it is kept in a row until the
//! guest decides. Usually it does so at once, and the row is never written. It
//! *accepts*, which is recorded where it happened, or rejects, which leaves nothing.

use dacapo_model::event::{EventAttributes, UpdateCompleted};
use dacapo_model::failure::Failure;
use dacapo_model::ids::UpdateId;
use dacapo_model::limits::Limits;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_model::update::{AdmittedUpdate, Update};

use super::{Refusal, run_timer};
use crate::state::RunState;
use crate::transition::{Effect, Transition, UpdateChange};

/// Admits an update once, however often it is sent.
pub(super) fn receive(
    state: &mut RunState,
    update: Update,
    now: Timestamp,
    limits: &Limits,
) -> Result<Transition, Refusal> {
    if is_repeat(state, &update) {
        return Err(Refusal::Stale);
    }
    if state.updates.total() >= limits.updates_max {
        return Err(Refusal::TooManyUpdates { max: limits.updates_max });
    }
    if state.updates.in_flight() >= limits.updates_in_flight_max {
        return Err(Refusal::TooManyUpdatesInFlight { max: limits.updates_in_flight_max });
    }
    let mut transition = Transition::default();
    admit(&mut transition, state, AdmittedUpdate { update, admitted_at: now });
    // The wait before another attempt is not the sender's to end.
    if state.delayed_until.is_some() && state.chain.first_run_id.is_none() {
        run_timer::begin(&mut transition, state, now);
    }
    Ok(transition)
}

/// Keeps an update until the guest decides about it.
pub(super) fn admit(transition: &mut Transition, state: &mut RunState, admitted: AdmittedUpdate) {
    if state.updates.admit(admitted.clone()) {
        transition.updates.push(UpdateChange::Admit(admitted));
    }
}

/// Whether an update of this id is known.
pub(super) fn is_repeat(state: &RunState, update: &Update) -> bool {
    state.updates.stage(&update.id).is_some()
}

/// The guest will not do it. The update is forgotten.
pub(super) fn rejected(
    state: &mut RunState,
    update_id: UpdateId,
    failure: Failure,
) -> Result<Transition, Refusal> {
    if state.updates.remove_admitted(&update_id).is_none() {
        return Err(Refusal::Stale);
    }
    let mut transition = Transition::default();
    transition.updates.push(UpdateChange::Remove(update_id.clone()));
    transition.effects.push(Effect::UpdateRejected { update_id, failure });
    Ok(transition)
}

/// Records that the guest took an update on, at the time that it was told.
pub(super) fn accept(
    transition: &mut Transition,
    state: &mut RunState,
    update: Update,
    offered_at: Timestamp,
) {
    let update_id = update.id.clone();
    transition.updates.push(UpdateChange::Remove(update_id.clone()));
    let accepted = EventAttributes::WorkflowExecutionUpdateAccepted(update.into());
    transition.record(state, offered_at, accepted);
    transition.effects.push(Effect::UpdateAccepted { update_id });
}

/// Records the answer to an update that was accepted.
pub(super) fn complete(
    transition: &mut Transition,
    state: &mut RunState,
    update_id: UpdateId,
    outcome: Result<Payload, Failure>,
    now: Timestamp,
) {
    // The cursor answers only what is accepted.
    let Some(accepted_event_id) = state.updates.accepted_event(&update_id) else {
        return;
    };
    let completed = UpdateCompleted::new(update_id.clone(), accepted_event_id, outcome.clone());
    let attributes = EventAttributes::WorkflowExecutionUpdateCompleted(Box::new(completed));
    transition.record(state, now, attributes);
    transition.effects.push(Effect::UpdateCompleted { update_id, outcome });
}

#[cfg(test)]
mod tests {
    use dacapo_model::command::{Command, Outcome};
    use dacapo_model::execution::ExecutionStatus;
    use dacapo_model::ids::{EventId, TypeName, UpdateName};

    use super::*;
    use crate::decide::fixtures::*;
    use crate::decide::{Input, decide};
    use crate::state::UpdateStage;

    fn update_id(text: &str) -> UpdateId {
        UpdateId::new(text).expect("a valid id")
    }

    fn update(id: &str) -> Update {
        let name = UpdateName::new("add").expect("a valid name");
        Update { id: update_id(id), name, input: Payload::new("17") }
    }

    fn ask(id: &str) -> Input {
        Input::Update(update(id))
    }

    fn accept(id: &str) -> Command {
        Command::AcceptUpdate { update: update(id), offered_at: at(12) }
    }

    fn complete(id: &str) -> Command {
        Command::CompleteUpdate { update_id: update_id(id), outcome: Ok(Payload::new("18")) }
    }

    fn stage(state: &RunState, id: &str) -> Option<UpdateStage> {
        state.updates.stage(&update_id(id))
    }

    /// A run with an update that waits for the guest since second 11.
    fn asked() -> RunState {
        let mut state = begun();
        input(&mut state, 11, ask("a")).expect("the run is open");
        state
    }

    #[test]
    fn an_update_is_kept_and_is_no_event() {
        let mut state = begun();
        let transition = input(&mut state, 11, ask("a")).expect("the run is open");
        let admitted = AdmittedUpdate { update: update("a"), admitted_at: at(11) };
        assert_eq!(transition.updates, [UpdateChange::Admit(admitted)]);
        assert_eq!(transition.events, []);
        assert!(!transition.is_empty(), "it is to be committed");
        assert_eq!(stage(&state, "a"), Some(UpdateStage::Admitted));
    }

    #[test]
    fn accepting_and_answering_are_recorded_at_their_times_and_the_row_goes() {
        let mut state = asked();
        let transition = take_turn(&mut state, 13, [accept("a"), start_timer(1, 20)]);
        assert_eq!(event_types(&transition), ["WorkflowExecutionUpdateAccepted", "TimerStarted"]);
        assert_eq!((transition.events[0].time, transition.events[1].time), (at(12), at(13)));
        assert_eq!(transition.updates, [UpdateChange::Remove(update_id("a"))]);
        assert_eq!(transition.effects, [Effect::UpdateAccepted { update_id: update_id("a") }]);
        assert_eq!(stage(&state, "a"), Some(UpdateStage::Accepted));

        let transition = take_turn(&mut state, 14, [complete("a")]);
        let outcome = Ok(Payload::new("18"));
        let completed = UpdateCompleted::new(update_id("a"), EventId(2), outcome.clone());
        assert_eq!(
            *only_event(&transition),
            EventAttributes::WorkflowExecutionUpdateCompleted(Box::new(completed))
        );
        let told = Effect::UpdateCompleted { update_id: update_id("a"), outcome };
        assert_eq!(transition.effects, [told]);
        assert_eq!(stage(&state, "a"), Some(UpdateStage::Completed(EventId(4))));
    }

    #[test]
    fn a_rejected_update_leaves_no_event_and_is_forgotten() {
        let mut state = asked();
        let reject = Input::UpdateRejected { update_id: update_id("a"), failure: declined() };
        let transition = input(&mut state, 12, reject.clone()).expect("it waits");
        assert_eq!(transition.events, []);
        assert_eq!(transition.updates, [UpdateChange::Remove(update_id("a"))]);
        assert_eq!(state, begun());
        assert_eq!(input(&mut state, 12, reject), Err(Refusal::Stale));
        input(&mut state, 13, ask("a")).expect("it may be sent again");
    }

    #[test]
    fn a_repeat_changes_nothing_at_any_stage_also_once_the_run_is_closed() {
        let mut state = asked();
        assert_eq!(input(&mut state, 12, ask("a")), Err(Refusal::Stale));
        take_turn(&mut state, 12, [accept("a")]);
        assert_eq!(input(&mut state, 12, ask("a")), Err(Refusal::Stale));
        take_turn(&mut state, 12, [complete("a")]);
        assert_eq!(input(&mut state, 12, ask("a")), Err(Refusal::Stale));
        let terminate = Input::Terminate { reason: String::new() };
        input(&mut state, 13, terminate).expect("the run is open");
        assert_eq!(input(&mut state, 14, ask("a")), Err(Refusal::Stale));
        assert_eq!(input(&mut state, 14, ask("b")), Err(Refusal::Closed));
    }

    #[test]
    fn updates_without_an_outcome_and_all_updates_are_limited() {
        let limits = Limits { updates_max: 3, updates_in_flight_max: 2, ..Limits::default() };
        let mut state = begun();
        let send = |state: &mut RunState, id| decide(state, ask(id), at(12), &limits);
        send(&mut state, "a").expect("there is room");
        send(&mut state, "b").expect("there is room");
        assert_eq!(send(&mut state, "c"), Err(Refusal::TooManyUpdatesInFlight { max: 2 }));
        take_turn(&mut state, 12, [accept("a"), complete("a")]);
        send(&mut state, "c").expect("one has its outcome");
        take_turn(&mut state, 12, [accept("b"), complete("b")]);
        assert_eq!(send(&mut state, "d"), Err(Refusal::TooManyUpdates { max: 3 }));
        assert_eq!(send(&mut state, "a"), Err(Refusal::Stale));
    }

    #[test]
    fn a_run_that_closes_drops_what_it_has_not_decided_about() {
        let mut state = asked();
        let terminate = Input::Terminate { reason: String::new() };
        let transition = input(&mut state, 13, terminate).expect("the run is open");
        assert_eq!(transition.updates, [UpdateChange::Remove(update_id("a"))]);
        assert!(state.updates.none_admitted());
    }

    #[test]
    fn a_run_that_continues_as_new_passes_on_what_it_has_not_decided_about() {
        let mut state = asked();
        let close = Command::Close(Outcome::ContinueAsNew {
            workflow_type: TypeName::new("order").expect("a valid name"),
            input: Payload::new("18"),
            options: Box::default(),
            unread_signals: Vec::new(),
        });
        let transition = take_turn(&mut state, 13, [close]);
        assert_eq!(transition.updates, [UpdateChange::Remove(update_id("a"))]);
        let [Effect::StartNext(next)] = &transition.effects[..] else {
            panic!("not continued: {transition:?}");
        };
        assert_eq!(
            next.admitted[..],
            [AdmittedUpdate { update: update("a"), admitted_at: at(11) }]
        );
    }

    #[test]
    fn a_blocked_run_keeps_updates_for_later() {
        let mut state = begun();
        input(&mut state, 11, Input::GuestFault { blocked: trap() }).expect("the run is open");
        input(&mut state, 12, ask("a")).expect("the run is open");
        assert_eq!(state.status, ExecutionStatus::Blocked);
        assert_eq!(stage(&state, "a"), Some(UpdateStage::Admitted));
    }

    #[test]
    fn accepting_shows_that_a_blocked_run_goes_on() {
        let mut state = asked();
        input(&mut state, 11, Input::GuestFault { blocked: trap() }).expect("the run is open");
        input(&mut state, 12, Input::Retry).expect("it is blocked");
        let transition = take_turn(&mut state, 12, [accept("a")]);
        let mut replayed = begun();
        for event in [fault_event(&state), transition.events[0].clone()] {
            replayed.apply(&event).expect("it follows");
        }
        assert_eq!(replayed.status, ExecutionStatus::Running);
    }

    fn fault_event(state: &RunState) -> dacapo_model::event::HistoryEvent {
        let attributes = EventAttributes::WorkflowTaskFailed {
            code: "guest_trap".to_owned(),
            message: "unreachable".to_owned(),
        };
        let time = state.started_at.max(at(11));
        dacapo_model::event::HistoryEvent { id: EventId(2), time, attributes }
    }

    #[test]
    fn what_is_published_is_kept_and_is_no_event() {
        let mut state = begun();
        let before = state.clone();
        let name = dacapo_model::ids::QueryName::new("status").expect("a valid name");
        let value = Payload::new("\"waiting\"");
        let publish = Command::Publish { name: name.clone(), value: value.clone() };
        let transition = take_turn(&mut state, 12, [publish]);
        assert_eq!(
            (&transition.events[..], &transition.published[..]),
            (&[][..], &[(name, value)][..])
        );
        assert!(!transition.is_empty(), "it is to be committed");
        assert_eq!(state, before);
    }
}
