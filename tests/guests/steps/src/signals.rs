//! Workflows that take signals.

use std::time::Duration;

use dacapo::__private::bindings::dacapo::workflow::operations;
use dacapo::{Failure, continue_as_new, signals, sleep};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::activities::noop;

/// The signals that all but the last of these workflows take.
const NAME: &str = "word";

#[derive(Deserialize)]
pub(crate) struct Await {
    count: usize,
    #[serde(default)]
    pause_millis: u64,
}

/// `{"count": n, "pause_millis": p}`: sleeps for so long first, and returns what
/// n signals say.
#[dacapo::workflow]
pub(crate) async fn await_signals(input: Await) -> Result<Vec<Value>, Failure> {
    if input.pause_millis > 0 {
        sleep(Duration::from_millis(input.pause_millis)).await?;
    }
    let words = signals(NAME);
    let mut taken = Vec::new();
    while taken.len() < input.count {
        taken.push(words.recv().await?);
    }
    Ok(taken)
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Relay {
    count: usize,
    per_run: usize,
    #[serde(default)]
    taken: Vec<Value>,
}

/// `{"count": n, "per_run": k}`: continues as new after each k signals, with an
/// activity before, until it has n. Returns what they say.
#[dacapo::workflow]
pub(crate) async fn relay_signals(mut relay: Relay) -> Result<Vec<Value>, Failure> {
    let words = signals(NAME);
    for _ in 0..relay.per_run {
        if relay.taken.len() == relay.count {
            return Ok(relay.taken);
        }
        relay.taken.push(words.recv().await?);
    }
    noop().await?;
    continue_as_new(&relay).await
}

/// Without the SDK's executor: waits for a signal `b`, then for whatever is next,
/// which must be a signal, too. Returns what both say, as texts.
#[dacapo::workflow]
pub(crate) async fn receive_signal() -> Result<[String; 2], Failure> {
    let text = |input| String::from_utf8(input).map_err(Failure::from);
    let first = operations::receive_signal("b")
        .map_err(|_| Failure::application("Cancelled", "it was asked to cancel"))?;
    let operations::Delivery::Signal(second) = operations::next() else {
        return Err(Failure::application("NoSignal", "something else came first"));
    };
    Ok([text(first)?, text(second.input)?])
}
