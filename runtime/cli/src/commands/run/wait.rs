//! Waits for a run to close, and tells how it did.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use crate::args::ClientFlags;
use crate::client::wire::RunResult;
use crate::client::{Client, ClientError, POLL_SECONDS_MAX, RunAddress};
use crate::exit::Exit;
use crate::output;

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wait {
    /// Until the run closes.
    Forever,
    /// Not longer than this.
    AtMost(Duration),
}

/// Reads seconds, such as `30` or `0.5`. Without a value the wait has no end,
/// which clap asks for as an empty text.
pub(super) fn parse_wait(text: &str) -> Result<Wait, String> {
    if text.is_empty() {
        return Ok(Wait::Forever);
    }
    let seconds = text.strip_suffix('s').unwrap_or(text);
    seconds
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(Wait::AtMost)
        .ok_or_else(|| "a wait is a number of seconds, such as 30 or 0.5".to_owned())
}

/// Waits, prints the result, and says how it ended with the exit code.
pub(super) async fn wait(
    flags: &ClientFlags,
    client: &Client,
    run: &RunAddress,
    wait: Wait,
) -> Result<Exit> {
    let (text, result) = poll(client, run, wait).await?;
    if flags.is_json() {
        output::line(&text)?;
        return Ok(exit_code(&result.status));
    }
    match (&result.result, &result.result_base64) {
        (Some(result), _) => output::line(&output::printable(result.get()))?,
        (None, Some(base64)) => {
            output::note("the result is not JSON; in base64 it is:");
            output::line(base64)?;
        }
        (None, None) => output::note(&ending(run, &result)),
    }
    Ok(exit_code(&result.status))
}

/// Asks until the run is closed or the time is up.
async fn poll(
    client: &Client,
    run: &RunAddress,
    wait: Wait,
) -> Result<(String, RunResult), ClientError> {
    let started = now();
    let mut was_blocked = false;
    loop {
        let left = match wait {
            Wait::Forever => Duration::from_secs_f64(POLL_SECONDS_MAX),
            Wait::AtMost(limit) => limit.saturating_sub(now().duration_since(started)),
        };
        let answer = client.run_result(run, left).await?;
        let result: RunResult = answer.read()?;
        let is_over = wait != Wait::Forever && left.as_secs_f64() <= POLL_SECONDS_MAX;
        if !answer.is_pending || is_over {
            return Ok((answer.text, result));
        }
        if result.status == "blocked" && !std::mem::replace(&mut was_blocked, true) {
            output::note("the run is blocked: its code can't go on; `dacapo run show` says why");
        }
    }
}

fn ending(run: &RunAddress, result: &RunResult) -> String {
    let id = output::printable(&run.workflow_id);
    let why = match (&result.failure, &result.reason) {
        (Some(failure), _) => format!(": {}", failure.sentence()),
        (None, Some(reason)) if !reason.is_empty() => format!(": {reason}"),
        _ => String::new(),
    };
    output::printable(&format!("{id} is {}{why}", result.status.replace('_', " ")))
}

fn exit_code(status: &str) -> Exit {
    match status {
        "running" | "blocked" => Exit::TimedOut,
        "completed" | "continued_as_new" => Exit::Success,
        _ => Exit::RunNotCompleted,
    }
}

#[expect(clippy::disallowed_methods, reason = "a person's patience is measured in real time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use dacapo_model::execution::ExecutionStatus;

    use super::*;

    #[test]
    fn a_wait_is_read_as_seconds() {
        assert_eq!(parse_wait(""), Ok(Wait::Forever));
        assert_eq!(parse_wait("0.5"), Ok(Wait::AtMost(Duration::from_millis(500))));
        assert_eq!(parse_wait("30s"), Ok(Wait::AtMost(Duration::from_secs(30))));
        assert!(parse_wait("-1").is_err() && parse_wait("NaN").is_err());
    }

    #[test]
    fn every_status_has_its_exit_code() {
        for status in ExecutionStatus::ALL {
            let expected = match status {
                status if status.is_open() => Exit::TimedOut,
                ExecutionStatus::Completed | ExecutionStatus::ContinuedAsNew => Exit::Success,
                _ => Exit::RunNotCompleted,
            };
            assert_eq!(exit_code(status.as_str()), expected, "{status:?}");
        }
    }
}
