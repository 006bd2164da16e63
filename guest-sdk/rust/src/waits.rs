//! What the run waits for, and where in its code: told to whoever looks at it.

use serde::Serialize;

use crate::failure::Failure;
use crate::payload;
use crate::run::with_run;

/// The query by which the runtime asks. No handler can have this name.
pub(crate) const QUERY: &str = "__dacapo_waits";

/// As many waits are told, and the rest is counted.
const WAITS_MAX: usize = 200;

/// Names of signals that are told.
const SIGNALS_MAX: usize = 100;

/// What a run has to say about itself.
#[derive(Default, Serialize)]
pub(crate) struct Report {
    waits: Vec<WaitLine>,
    /// How many more waits there are.
    more: usize,
    /// Signals that nobody has taken.
    untaken_signals: Vec<SignalLine>,
    /// Signals that say something else than was expected, and were set aside.
    invalid_signals: Vec<SignalLine>,
}

#[derive(Serialize)]
struct WaitLine {
    /// `operation`, `signal`, `condition`, `cancellation` or `updates`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<String>,
    at: String,
}

#[derive(Serialize)]
struct SignalLine {
    name: String,
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl Report {
    pub(crate) fn waits(
        &mut self,
        kind: &'static str,
        operation: Option<u32>,
        signal: Option<&str>,
        at: crate::wait::Place,
    ) {
        if self.waits.len() == WAITS_MAX {
            self.more += 1;
            return;
        }
        let signal = signal.map(str::to_owned);
        self.waits.push(WaitLine { kind, operation, signal, at: at.to_string() });
    }

    pub(crate) fn untaken(&mut self, name: &str, count: u64) {
        push(&mut self.untaken_signals, name, count, None);
    }

    pub(crate) fn invalid(&mut self, name: &str, count: u64, problem: &str) {
        push(&mut self.invalid_signals, name, count, Some(problem));
    }
}

fn push(lines: &mut Vec<SignalLine>, name: &str, count: u64, problem: Option<&str>) {
    if lines.len() < SIGNALS_MAX && count > 0 {
        let problem = problem.map(str::to_owned);
        lines.push(SignalLine { name: name.to_owned(), count, problem });
    }
}

/// Answers [`QUERY`].
pub(crate) fn answer() -> Result<Vec<u8>, Failure> {
    let report = with_run(|run| run.report());
    payload::encode_result(&report, "what the run waits for")
}
