//! Laws of the engine, held against random programs in a random world.
//!
//! A *program* plays the guest; a *script* plays clients, workers, clocks, traps
//! and crashes. The simulation checks after each commit that the state is the one
//! that history makes, that the timer rows and the running attempts are those the
//! state needs, and that what is refused changes nothing (`support/simulation.rs`).

mod support;

use dacapo_engine::decide::{Input, Reapply, Reset, ResetPoint, ResetRefused, decide, reset};
use dacapo_engine::replay::CallError;
use dacapo_engine::state::RunState;
use dacapo_engine::transition::TaskChange;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::RunId;
use dacapo_model::limits::Limits;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use uuid::Uuid;

use support::Checked;
use support::checks::{
    changed_code_fits_all_that_came_before, deliveries_follow_history,
    every_commit_can_be_recovered, no_signal_is_lost_or_doubled, no_timer_fires_early,
};
use support::guest::Guest;
use support::mutation::{alter_command, mutations, renumber};
use support::program::programs;
use support::script::scripts;
use support::simulation::{Residency, Simulation, asks_for_nothing_new};
use support::stored::{listing, stored};

/// Enough cases to meet rare orders of events; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: config.cases.max(1_500),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..config
    }
}

fn law<T>(checked: Checked<T>) -> Result<T, TestCaseError> {
    checked.map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_run_ends_and_every_commit_of_it_can_be_recovered(
        program in programs(),
        script in scripts(),
    ) {
        let run = law(Simulation::run(&program, &script, Residency::Kept))?;
        law(every_commit_can_be_recovered(&run))?;
        law(changed_code_fits_all_that_came_before(&run))?;
        law(deliveries_follow_history(&run))?;
        law(no_timer_fires_early(&run.history))?;
        law(no_signal_is_lost_or_doubled(&run))?;
    }

    #[test]
    fn going_on_from_a_replay_makes_the_same_history(
        program in programs(),
        script in scripts(),
    ) {
        let kept = law(Simulation::run(&program, &script, Residency::Kept))?;
        for residency in [Residency::ReplayedBeforeInput, Residency::ReplayedWithInput] {
            let replayed = law(Simulation::run(&program, &script, residency))?;
            prop_assert!(
                stored(&kept.history) == stored(&replayed.history),
                "{residency:?} makes\n{}instead of\n{}",
                listing(&replayed.history),
                listing(&kept.history)
            );
        }
    }

    #[test]
    fn a_command_that_was_altered_is_found_where_it_is(
        program in programs(),
        script in scripts(),
        pick in any::<prop::sample::Index>(),
    ) {
        let run = law(Simulation::run(&program, &script, Residency::Kept))?;
        found_where_it_is(&run, pick)?;
    }

    #[test]
    fn a_damaged_history_is_refused_or_replayed_but_never_panics(
        program in programs(),
        script in scripts(),
        damage in prop::collection::vec(mutations(), 1..3),
        hidden in any::<bool>(),
    ) {
        let run = law(Simulation::run(&program, &script, Residency::Kept))?;
        let mut history = run.history.clone();
        for mutation in &damage {
            if !history.is_empty() {
                mutation.apply(&mut history);
            }
        }
        if hidden {
            renumber(&mut history);
        }
        law(replays_consistently_if_at_all(&run, &history))?;
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_run_goes_on_from_wherever_its_history_is_cut(
        program in programs(),
        script in scripts(),
        at in any::<prop::sample::Index>(),
        again in any::<prop::sample::Index>(),
        signals in any::<bool>(),
    ) {
        let run = law(Simulation::run(&program, &script, Residency::Kept))?;
        let once = law(cut_and_go_on(&run, &run.history, at, signals))?;
        if let Some(history) = once {
            law(cut_and_go_on(&run, &history, again, signals))?;
        }
    }
}

/// Cuts a history where it can be, and lets the guest go on from there. The result
/// is none if the run never began.
fn cut_and_go_on(
    run: &Simulation,
    history: &[HistoryEvent],
    at: prop::sample::Index,
    signals: bool,
) -> Checked<Option<Vec<HistoryEvent>>> {
    let mut what = Reset {
        base_run_id: RunId(Uuid::from_u128(1)),
        run_id: RunId(Uuid::from_u128(2)),
        point: ResetPoint::Event(history[at.index(history.len())].id),
        reapply: if signals { Reapply::All } else { Reapply::Nothing },
        module_digest: None,
        admitted: Vec::new(),
        reason: "a law".to_owned(),
    };
    let now = history.last().map(|event| event.time).unwrap_or_default();
    let mut cut = reset(history, what.clone(), now);
    if let Err(ResetRefused::NoBoundary { before, after, .. }) = cut {
        what.point = before.or(after).map_or(ResetPoint::First, ResetPoint::Event);
        cut = reset(history, what.clone(), now);
    }
    let (state, transition) = match cut {
        Ok(cut) => cut,
        Err(ResetRefused::WaitsForOthers { before, after, .. }) => {
            let at = before.or(after).map(ResetPoint::Event);
            support::ensure!(
                at.is_none_or(|point| reset(history, Reset { point, ..what }, now).is_ok()),
                "the event that the refusal names is refused as well\n{}",
                listing(history)
            );
            return Ok(None);
        }
        Err(ResetRefused::NotBegun) => return Ok(None),
        Err(refused) => return Err(format!("{refused}\n{}", listing(history))),
    };
    let again: Vec<_> = state
        .activities
        .iter()
        .filter(|(_, activity)| activity.is_queued())
        .map(|(id, _)| TaskChange::Schedule { scheduled_event_id: *id })
        .collect();
    let scheduled = transition.tasks.iter().filter(|it| matches!(it, TaskChange::Schedule { .. }));
    support::ensure!(
        scheduled.eq(&again),
        "tasks are {:?} instead of {again:?}\n{}",
        transition.tasks,
        listing(&transition.events)
    );
    let copy = transition.events;
    let made = RunState::from_history(&stored(&copy)).map_err(|illegal| illegal.to_string())?;
    // Updates that wait are rows.
    let made = made.map(|mut made| {
        for admitted in state.updates.admitted() {
            made.updates.admit(admitted);
        }
        made
    });
    support::ensure!(made == Some(state), "the copy makes another state\n{}", listing(&copy));
    Guest::new(&run.program)
        .advance(stored(&copy))
        .map_err(|error| format!("the copy does not fit: {error}\n{}", listing(&copy)))?;
    replays_consistently_if_at_all(run, &copy)?;
    Ok(Some(copy))
}

fn found_where_it_is(run: &Simulation, pick: prop::sample::Index) -> TestCaseResult {
    let mut history = run.history.clone();
    let altered: Vec<_> = (0..history.len())
        .filter(|at| alter_command(&mut history[*at].attributes.clone()))
        .collect();
    if altered.is_empty() {
        return Ok(());
    }
    let at = altered[pick.index(altered.len())];
    alter_command(&mut history[at].attributes);
    match Guest::new(&run.program).advance(stored(&history)) {
        Err(CallError::Nondeterminism(found)) if found.event_id == history[at].id.0 => Ok(()),
        other => Err(TestCaseError::fail(format!(
            "event {} was altered, and replay says {other:?}\n{}",
            history[at].id,
            listing(&history)
        ))),
    }
}

/// A damaged history that state and guest both accept goes on like any other.
fn replays_consistently_if_at_all(run: &Simulation, history: &[HistoryEvent]) -> Checked {
    let mut guest = Guest::new(&run.program);
    let answer = guest.advance(stored(history));
    let (Ok(Some(mut state)), Ok(commands)) = (RunState::from_history(history), answer) else {
        return Ok(());
    };
    if !state.status.is_open() {
        // A run that was terminated while it was blocked has more to ask for.
        support::ensure!(
            matches!(state.status, ExecutionStatus::Terminated | ExecutionStatus::TimedOut)
                || asks_for_nothing_new(&commands),
            "replay of a closed run asks for {commands:?}\n{}",
            listing(history)
        );
        return Ok(());
    }
    let now = state.last_event_at;
    let turn = Input::GuestTurn { run_id: RunId(Uuid::nil()), commands };
    // A start that is delayed for ever.
    let delayed = state.delayed_until.is_some();
    let transition = match decide(&mut state, turn, now, &Limits::default()) {
        Err(_) if delayed => return Ok(()),
        decided => decided.map_err(|refusal| refusal.to_string())?,
    };
    let longer = [history, transition.events.as_slice()].concat();
    let mut again = Guest::new(&run.program);
    let commands = again.advance(stored(&longer)).map_err(|error| {
        format!("what was recorded does not fit: {error}\n{}", listing(&longer))
    })?;
    support::ensure!(
        asks_for_nothing_new(&commands) && again.place == guest.place,
        "after {commands:?}, replay ends at {:?} instead of {:?}\n{}",
        again.place,
        guest.place,
        listing(&longer)
    );
    Ok(())
}
