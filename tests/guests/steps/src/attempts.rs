//! Runs that are tried again, and long ones.

use std::time::Duration;

use dacapo::__private::bindings::dacapo::workflow::run_context;
use dacapo::{Failure, side_effect, signals, sleep};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct TriedAgain {
    succeed_at: u32,
}

/// `{"succeed_at": k}`: fails before the k-th run that tries it. Returns k.
#[dacapo::workflow]
pub(crate) async fn tried_again(input: TriedAgain) -> Result<u32, Failure> {
    let attempt = run_context::info().attempt;
    if attempt < input.succeed_at {
        return Err(Failure::application("NotYet", format!("attempt {attempt}")));
    }
    Ok(attempt)
}

#[derive(Deserialize)]
pub(crate) struct Notes {
    rounds: u32,
    notes: u32,
}

/// `{"rounds": r, "notes": n}`: records n values in each of r rounds, waits for a
/// signal `word`, and returns what it says.
#[dacapo::workflow]
pub(crate) async fn long_history(input: Notes) -> Result<String, Failure> {
    for round in 0..input.rounds {
        for note in 0..input.notes {
            side_effect("note", || (round, note))?;
        }
        sleep(Duration::from_millis(1)).await?;
    }
    signals("word").recv().await
}
