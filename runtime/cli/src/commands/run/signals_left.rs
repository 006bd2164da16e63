//! Signals that a run has not taken, or could not read.

use std::time::Duration;

use crate::client::wire::{QueryAnswer, RunWaiting, SignalsLeft, SignalsReport};
use crate::client::{Client, QueryBody, RunAddress};

/// The query that the SDKs answer with it.
const QUERY: &str = "__dacapo_waits";

/// Whoever shows a run does not wait long for the code of the run.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the code of a run says, if it does. The server may have to replay its history
/// for it.
pub(super) async fn signals_left(client: &Client, run: &RunAddress) -> Option<SignalsReport> {
    let asked = async {
        if let Ok(answer) = client.query_run(run, QUERY, &QueryBody { input: None }).await {
            let answer: QueryAnswer = answer.read().ok()?;
            return serde_json::from_str(answer.result?.get()).ok();
        }
        // Its code has no answer to that, but the server knows what it was given.
        let answer = client.run_waiting(run).await.ok()?;
        answer.read().ok().map(|waiting: RunWaiting| waiting.signals)
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten()
}

/// Names and values, to be shown one below the other.
pub(super) fn signal_fields(report: &SignalsReport) -> Vec<(&'static str, String)> {
    let untaken = report.untaken_signals.iter();
    let untaken = untaken.map(|it| ("untaken", format!("{} that nobody has taken", counted(it))));
    let invalid = report.invalid_signals.iter();
    let invalid = invalid.map(|it| {
        let problem = it.problem.as_deref();
        let problem = problem.map(|problem| format!("; the last: {problem}")).unwrap_or_default();
        let were = if it.count == 1 { "was" } else { "were" };
        ("invalid", format!("{} that {were} set aside{problem}", counted(it)))
    });
    untaken.chain(invalid).collect()
}

fn counted(signals: &SignalsLeft) -> String {
    let SignalsLeft { name, count, .. } = signals;
    let noun = if *count == 1 { "signal" } else { "signals" };
    format!("{name}: {count} {noun}")
}
