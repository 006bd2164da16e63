//! Waits for a run to close, and tells how it did.

use std::time::Duration;

use anyhow::Result;

use super::awaited::awaited;
use super::held_up::{awaited_queues, held_up};
use super::report::first_line;
use crate::args::ClientFlags;
use crate::client::wire::{Blocked, RunDescription, RunResult};
use crate::client::{Client, ClientError, Patience, RunAddress, now};
use crate::exit::Exit;
use crate::output;
use crate::times::wall_clock;

/// Between two polls, so that a server that answers early is not flooded.
const POLL_PAUSE: Duration = Duration::from_millis(100);

/// The same for a blocked run, of which the server says so at once each time: it may stay so
/// for days.
const BLOCKED_PAUSE: Duration = Duration::from_secs(2);

/// After so long people are told what they wait for.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// Most of those who read what is told would not read it more often.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::commands) enum Wait {
    /// Until the run closes.
    Forever,
    /// Not longer than this.
    AtMost(Duration),
}

/// Reads seconds, such as `30` or `0.5`, or a duration with its unit. Without a value the
/// wait has no end, which clap asks for as an empty text.
pub(in crate::commands) fn parse_wait(text: &str) -> Result<Wait, String> {
    if text.is_empty() {
        return Ok(Wait::Forever);
    }
    let seconds = text.strip_suffix('s').unwrap_or(text).parse();
    let seconds = seconds.ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .or_else(|| crate::config::parse_duration(text).ok())
        .map(Wait::AtMost)
        .ok_or_else(|| "a wait is a number of seconds, such as 30 or 0.5, or 2m".to_owned())
}

/// Waits, for the runs that follow as well if asked to, prints the result, and says how
/// it ended with the exit code. With patience, the server has answered before.
pub(super) async fn wait(
    flags: &ClientFlags,
    client: &Client,
    run: &RunAddress,
    wait: Wait,
    follow: bool,
    patience: Option<Patience>,
) -> Result<Exit> {
    let mut teller = (!flags.is_json()).then(Teller::default);
    let (text, result) = poll(client, run, wait, follow, patience, teller.as_mut()).await?;
    if flags.is_json() {
        output::line(&text)?;
        return Ok(exit_code(&result.status));
    }
    match (&result.result, &result.result_base64) {
        (None, None) => {
            let blocked = match result.status.as_str() {
                "blocked" => block_of(client, run, &result).await,
                _ => None,
            };
            output::note(&ending(run, &result, blocked.as_ref()));
        }
        (json, base64) => output::payload("the result", json.as_deref(), base64.as_deref())?,
    }
    Ok(exit_code(&result.status))
}

/// Why the run is blocked, if the server says so.
async fn block_of(client: &Client, run: &RunAddress, result: &RunResult) -> Option<Blocked> {
    let run = RunAddress { run_id: Some(result.run_id.clone()), ..run.clone() };
    let description: RunDescription = client.show_run(&run).await.ok()?.read().ok()?;
    description.run.blocked
}

/// Asks until the run is closed or the time is up. Once a server was there, it may be
/// gone for a while: the run is not.
async fn poll(
    client: &Client,
    run: &RunAddress,
    wait: Wait,
    follow: bool,
    mut patience: Option<Patience>,
    mut teller: Option<&mut Teller>,
) -> Result<(String, RunResult), ClientError> {
    let started = now();
    let mut run = run.clone();
    loop {
        let left = wait.left(now().duration_since(started));
        let silence = teller.as_ref().map_or(left, |teller| left.min(teller.silence()));
        let answer = match client.run_result(&run, silence, follow).await {
            Ok(answer) => answer,
            Err(error) if !left.is_zero() => {
                bear(&mut patience, error).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        patience.get_or_insert_default().restore();
        let result: RunResult = answer.read()?;
        if follow {
            // One request follows so many runs only, and the next need not follow
            // them again.
            let next = result.new_run_id.as_ref();
            run.run_id = Some(next.unwrap_or(&result.run_id).clone());
            if next.is_some() {
                continue;
            }
        }
        // A server that stops answers before the time is up.
        if !answer.is_pending || wait.left(now().duration_since(started)).is_zero() {
            return Ok((answer.text, result));
        }
        if let Some(teller) = &mut teller {
            teller.tell(client, &run).await;
        }
        let left = wait.left(now().duration_since(started));
        tokio::time::sleep(pause(&result.status).min(left)).await;
    }
}

pub(in crate::commands) fn pause(status: &str) -> Duration {
    if status == "blocked" { BLOCKED_PAUSE } else { POLL_PAUSE }
}

/// Waits a moment before the next try. Without patience so far it begins now, if a
/// server was there at all: a wrong address is told at once.
pub(in crate::commands) async fn bear(
    patience: &mut Option<Patience>,
    error: ClientError,
) -> Result<(), ClientError> {
    if patience.is_none() && !error.came_from_a_server() {
        return Err(error);
    }
    patience.get_or_insert_default().bear(error).await
}

/// Tells a person on what they wait, when that changes.
#[derive(Default)]
struct Teller {
    was_asked: bool,
    told: String,
}

impl Teller {
    /// How long the next request may take before there is something to tell.
    fn silence(&self) -> Duration {
        if self.was_asked { TOLD_AGAIN_AFTER } else { SILENCE_MAX }
    }

    async fn tell(&mut self, client: &Client, run: &RunAddress) {
        self.was_asked = true;
        // It is a help only: whether the server answers is seen by the wait itself.
        let Ok(answer) = client.show_run(run).await else { return };
        let Ok(description) = answer.read::<RunDescription>() else { return };
        let held_up = held_up(client, awaited_queues(&description.pending_activities)).await;
        let what = output::printable(&awaited(&description, &held_up, wall_clock()));
        // Times and attempts that go on are no news.
        let same = without_numbers(&what) == without_numbers(&self.told);
        self.told = what;
        if !same {
            let id = output::printable(&run.workflow_id);
            output::note(&format!("waiting for {id}: {}", self.told));
        }
    }
}

fn without_numbers(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

impl Wait {
    /// The wait that is left after this time.
    pub(in crate::commands) fn after(self, elapsed: Duration) -> Self {
        match self {
            Self::Forever => Self::Forever,
            Self::AtMost(_) => Self::AtMost(self.left(elapsed)),
        }
    }

    /// How much of it is left after this time.
    pub(in crate::commands) fn left(self, elapsed: Duration) -> Duration {
        match self {
            Self::Forever => Duration::MAX,
            Self::AtMost(limit) => limit.saturating_sub(elapsed),
        }
    }
}

/// How a run stands that has no result, and where to look for more if it is open.
fn ending(run: &RunAddress, result: &RunResult, blocked: Option<&Blocked>) -> String {
    let id = &run.workflow_id;
    let command = |verb: &str| format!("`dacapo run {verb} {}`", output::quoted(id));
    let text = match (result.status.as_str(), blocked) {
        ("blocked", blocked) => {
            let why = blocked.map(|it| format!(" ({}): {}", it.code, first_line(&it.message)));
            format!("{id} is blocked{}\n{} says more", why.unwrap_or_default(), command("show"))
        }
        ("running", _) => {
            format!("{id} is running; {} says what it waits for", command("waiting"))
        }
        _ => closing(id, result),
    };
    output::printable(&text)
}

pub(in crate::commands) fn closing(id: &str, result: &RunResult) -> String {
    let why = match (&result.failure, &result.reason) {
        (Some(failure), _) => format!(": {}", failure.sentence()),
        (None, Some(reason)) if !reason.is_empty() => format!(": {reason}"),
        _ => String::new(),
    };
    format!("{id} is {}{why}", result.status.replace('_', " "))
}

pub(in crate::commands) fn exit_code(status: &str) -> Exit {
    match status {
        "running" | "blocked" => Exit::TimedOut,
        "completed" | "continued_as_new" => Exit::Success,
        _ => Exit::RunNotCompleted,
    }
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
        assert_eq!(parse_wait("2m"), Ok(Wait::AtMost(Duration::from_secs(120))));
        assert!(parse_wait("-1").is_err() && parse_wait("NaN").is_err());
    }

    #[test]
    fn a_wait_runs_out_and_an_endless_one_does_not() {
        let wait = Wait::AtMost(Duration::from_secs(2));
        assert_eq!(wait.left(Duration::from_secs(1)), Duration::from_secs(1));
        assert!(wait.left(Duration::from_secs(3)).is_zero());
        assert!(!Wait::Forever.left(Duration::from_secs(1_000_000)).is_zero());
    }

    #[test]
    fn who_gets_no_result_is_told_where_to_look() {
        let run = RunAddress { workflow_id: "order 17".to_owned(), run_id: None };
        let told = |result: &str, blocked: Option<&Blocked>| {
            ending(&run, &serde_json::from_str(result).expect("valid"), blocked)
        };
        let open = told(r#"{"run_id": "r", "status": "running"}"#, None);
        assert!(open.contains("`dacapo run waiting 'order 17'`"), "{open}");
        let blocked = r#"{"code": "guest_trap", "message": "it trapped\nat 0x7"}"#;
        let blocked = serde_json::from_str(blocked).expect("valid");
        let stuck = told(r#"{"run_id": "r", "status": "blocked"}"#, Some(&blocked));
        let expected = "order 17 is blocked (guest_trap): it trapped\n\
                        `dacapo run show 'order 17'` says more";
        assert_eq!(stuck, expected);
        let failed = r#"{"run_id": "r", "status": "timed_out", "reason": ""}"#;
        assert_eq!(told(failed, None), "order 17 is timed out");
    }

    #[test]
    fn a_blocked_run_is_asked_for_seldom() {
        assert_eq!(pause("running"), POLL_PAUSE);
        assert_eq!(pause("blocked"), BLOCKED_PAUSE);
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
