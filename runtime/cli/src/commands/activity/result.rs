//! `dacapo activity result`

use std::time::Duration;

use anyhow::Result;

use super::ActivityFlags;
use crate::args::ClientFlags;
use crate::client::wire::RunResult;
use crate::client::{ActivityAddress, Client, ClientError, Patience, now};
use crate::commands::run::wait::{Wait, bear, closing, exit_code, parse_wait, pause};
use crate::exit::Exit;
use crate::output;

/// Prints the result of an activity without a workflow. The exit code says how it stands: 0
/// completed, 4 closed otherwise, 5 still open.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo activity result welcome-17
  dacapo activity result welcome-17 --wait=30")]
pub struct ResultArgs {
    #[command(flatten)]
    activity: ActivityFlags,

    /// Wait for its end; with a value, at most for that many seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        value_parser = parse_wait
    )]
    wait: Option<Wait>,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ResultArgs) -> Result<Exit> {
    let client = args.client.client()?;
    let wait = args.wait.unwrap_or(Wait::AtMost(Duration::ZERO));
    wait_for(&args.client, &client, &args.activity.address(), wait, None).await
}

/// Waits, prints the result, and says how it ended with the exit code. With patience, the
/// server has answered before.
pub(super) async fn wait_for(
    flags: &ClientFlags,
    client: &Client,
    activity: &ActivityAddress,
    wait: Wait,
    patience: Option<Patience>,
) -> Result<Exit> {
    let (text, result) = poll(client, activity, wait, patience).await?;
    if flags.is_json() {
        output::line(&text)?;
        return Ok(exit_code(&result.status));
    }
    match (&result.result, &result.result_base64) {
        (None, None) => output::note(&ending(activity, &result)),
        (json, base64) => output::payload("the result", json.as_deref(), base64.as_deref())?,
    }
    Ok(exit_code(&result.status))
}

/// Asks until it is closed or the time is up. Once a server was there, it may be gone for a
/// while: the activity is not.
async fn poll(
    client: &Client,
    activity: &ActivityAddress,
    wait: Wait,
    mut patience: Option<Patience>,
) -> Result<(String, RunResult), ClientError> {
    let started = now();
    loop {
        let left = wait.left(now().duration_since(started));
        match client.activity_result(activity, left).await {
            Ok(answer) => {
                patience.get_or_insert_default().restore();
                let result: RunResult = answer.read()?;
                let left = wait.left(now().duration_since(started));
                if !answer.is_pending || left.is_zero() {
                    return Ok((answer.text, result));
                }
                tokio::time::sleep(pause(&result.status).min(left)).await;
            }
            Err(error) if !left.is_zero() => bear(&mut patience, error).await?,
            Err(error) => return Err(error),
        }
    }
}

/// How an activity stands that has no result, and where to look for more if it is open.
fn ending(activity: &ActivityAddress, result: &RunResult) -> String {
    let id = &activity.activity_id;
    let text = match result.status.as_str() {
        "running" | "blocked" => {
            let command = format!("`dacapo activity show {}`", output::quoted(id));
            format!("{id} is {}; {command} says more", result.status)
        }
        _ => closing(id, result),
    };
    output::printable(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gets_no_result_is_told_why_or_where_to_look() {
        let activity = ActivityAddress { activity_id: "a b".to_owned(), run_id: None };
        let told = |result: &str| ending(&activity, &serde_json::from_str(result).expect("valid"));
        let open = told(r#"{"run_id": "r", "status": "running"}"#);
        assert_eq!(open, "a b is running; `dacapo activity show 'a b'` says more");
        let failed = r#"{"run_id": "r", "status": "failed",
                         "failure": {"type": "Bounced", "message": "no such box"}}"#;
        assert_eq!(told(failed), "a b is failed: Bounced: no such box");
    }
}
