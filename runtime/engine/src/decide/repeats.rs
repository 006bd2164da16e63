//! Repeats of what a run, or one before it, has taken.

use dacapo_model::command::{Command, Outcome};
use dacapo_model::ids::{EventId, RequestId, RunId, SignalName, TypeName, UpdateId, UpdateName};
use dacapo_model::payload::Payload;
use dacapo_model::signal::Signal;
use dacapo_model::update::Update;

use super::fixtures::*;
use super::{Input, Refusal, start};
use crate::state::{RunState, UpdateStage};
use crate::transition::{Effect, NextRun, Transition};

fn signal(id: &str) -> Signal {
    Signal {
        name: SignalName::new("approved").expect("a valid name"),
        input: Payload::new("1"),
        request_id: Some(RequestId::new(id).expect("a valid id")),
    }
}

fn update(id: &str) -> Update {
    Update {
        id: UpdateId::new(id).expect("a valid id"),
        name: UpdateName::new("add").expect("a valid name"),
        input: Payload::new("1"),
    }
}

fn accept(id: &str) -> Command {
    Command::AcceptUpdate { update: update(id), offered_at: at(11) }
}

fn complete(id: &str) -> Command {
    Command::CompleteUpdate { update_id: update(id).id, outcome: Ok(Payload::new("2")) }
}

fn send(state: &mut RunState, seconds: u64, what: Input) -> Result<(), Refusal> {
    input(state, seconds, what).map(drop)
}

/// What follows a run, as it is decided.
fn next_run(transition: Transition) -> NextRun {
    let [Effect::StartNext(next)] = &transition.effects[..] else {
        panic!("one run was to follow: {transition:?}");
    };
    NextRun::clone(next)
}

fn continued(state: &mut RunState, unread_signals: Vec<EventId>) -> NextRun {
    let outcome = Outcome::ContinueAsNew {
        workflow_type: TypeName::new("order").expect("valid"),
        input: Payload::default(),
        options: Box::default(),
        unread_signals,
    };
    next_run(take_turn(state, 12, [Command::Close(outcome)]))
}

/// A run that has taken some, and has not decided about others.
fn busy() -> RunState {
    let mut state = begun();
    for id in ["taken", "unread"] {
        send(&mut state, 11, Input::Signal(signal(id))).expect("it is new");
    }
    for id in ["done", "accepted", "undecided"] {
        send(&mut state, 11, Input::Update(update(id))).expect("it is new");
    }
    take_turn(&mut state, 11, [accept("done"), complete("done"), accept("accepted")]);
    state
}

fn is_all_known(state: &mut RunState) {
    for id in ["taken", "unread"] {
        let repeat = send(state, 13, Input::Signal(signal(id)));
        assert!(matches!(repeat, Err(Refusal::Repeated { .. })), "signal {id}: {repeat:?}");
    }
    for id in ["done", "accepted", "undecided"] {
        let repeat = send(state, 13, Input::Update(update(id)));
        assert_eq!(repeat, Err(Refusal::Stale), "update {id}");
    }
}

#[test]
fn what_one_run_has_taken_is_a_repeat_to_those_that_follow_it() {
    let next = continued(&mut busy(), vec![EventId(3)]);
    let (first, unread) = (next.started.chain.taken.clone(), [signal("unread")]);
    assert_eq!(first.signals, [signal("taken").request_id.expect("it has one")]);
    let (mut state, transition) = start(next.started, unread, next.admitted, at(12));
    let stored = RunState::from_history(&transition.events).expect("legal").expect("begun");
    assert!(stored.has_signal_request(&first.signals[0]), "recovery knows it, too");
    is_all_known(&mut state);
    for id in ["done", "accepted"] {
        let stage = state.updates.stage(&update(id).id);
        assert_eq!(stage, Some(UpdateStage::Before(RUN)), "{id}");
    }
    send(&mut state, 13, Input::Signal(signal("new"))).expect("it is new");
    take_turn(&mut state, 13, [accept("undecided")]);

    let next = continued(&mut state, Vec::new());
    let updates = next.started.chain.taken.updates.iter();
    let updates: Vec<_> = updates.map(|it| it.update_id.as_str().to_owned()).collect();
    assert_eq!(updates, ["undecided", "accepted", "done"], "the newest first");
    let (mut state, _) = start(next.started, [], next.admitted, at(14));
    is_all_known(&mut state);
    assert_eq!(state.signals, 0, "what others had does not count");
    send(&mut state, 15, Input::Terminate { reason: String::new() }).expect("it is open");
    is_all_known(&mut state);
}

#[test]
fn a_run_that_is_reset_knows_what_its_chain_has_taken() {
    let next = continued(&mut busy(), Vec::new());
    let (mut state, transition) = start(next.started, [], next.admitted, at(12));
    let mut history = transition.events;
    history.extend(take_turn(&mut state, 13, [start_timer(1, 30)]).events);
    let reset = super::Reset {
        base_run_id: next.run_id,
        run_id: RunId(uuid::Uuid::from_u128(99)),
        point: super::ResetPoint::First,
        reapply: super::Reapply::All,
        module_digest: None,
        admitted: state.updates.admitted().collect(),
        reason: String::new(),
    };
    let (mut state, _) = super::reset(&history, reset, at(14)).expect("it is possible");
    is_all_known(&mut state);
}
