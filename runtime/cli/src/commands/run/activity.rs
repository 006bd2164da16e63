//! `dacapo run activity ...`: one request each.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::input::json_text;
use crate::args::{ClientFlags, RunFlags};
use crate::client::wire::Acted;
use crate::exit::Exit;
use crate::output;

/// Pauses, unpauses, resets, completes and fails the activities of a run.
#[derive(Debug, clap::Subcommand)]
pub enum ActivityCommand {
    /// Let no further attempt begin.
    Pause(ReasonArgs),
    /// Let a paused activity go on, at once.
    Unpause(ReasonArgs),
    /// Start an activity over with attempt 1, at once.
    Reset(ResetArgs),
    /// Complete an attempt that was left open.
    Complete(CompleteArgs),
    /// Fail an attempt that was left open.
    Fail(FailArgs),
}

#[derive(Debug, clap::Args)]
struct Target {
    #[command(flatten)]
    run: RunFlags,

    /// The workflow's name for the activity: OPERATION in `dacapo run show`.
    #[arg(value_name = "OPERATION")]
    operation: u32,

    #[command(flatten)]
    client: ClientFlags,
}

/// Lets no further attempt of an activity begin, or lets it go on. An attempt
/// that runs is told when it looks.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  dacapo run activity pause order-17 1 --reason 'the bank is down'"
)]
pub struct ReasonArgs {
    #[command(flatten)]
    target: Target,

    /// Why, for people.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Starts an activity over. An attempt that runs is stopped; failures and
/// waits so far count no more.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo run activity reset order-17 1")]
pub struct ResetArgs {
    #[command(flatten)]
    target: Target,

    /// Why, for people.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,

    /// Does not tell it what the last heartbeat said.
    #[arg(long)]
    forget_heartbeat: bool,
}

/// Completes an attempt that said that somebody else does.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  dacapo run activity complete order-17 1 --result '{\"by\": \"ann\"}'"
)]
pub struct CompleteArgs {
    #[command(flatten)]
    target: Target,

    /// Its result, as JSON.
    #[arg(long, value_name = "JSON", conflicts_with = "result_file")]
    result: Option<String>,

    /// A file that holds the result; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    result_file: Option<PathBuf>,
}

/// Fails an attempt that said that somebody else completes it. It is tried again
/// as its retry policy says.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  dacapo run activity fail order-17 1 --type Declined --message 'no'"
)]
pub struct FailArgs {
    #[command(flatten)]
    target: Target,

    /// A stable name for programs.
    #[arg(long = "type", value_name = "NAME")]
    type_name: String,

    /// A sentence for people.
    #[arg(long, value_name = "TEXT", default_value = "")]
    message: String,

    /// Does not try it again.
    #[arg(long)]
    non_retryable: bool,
}

pub(super) async fn run(command: ActivityCommand) -> Result<Exit> {
    match command {
        ActivityCommand::Pause(args) => {
            act(args.target, "pause", json!({ "reason": args.reason }), "is paused").await
        }
        ActivityCommand::Unpause(args) => {
            act(args.target, "unpause", json!({ "reason": args.reason }), "goes on").await
        }
        ActivityCommand::Reset(args) => {
            let body = json!({ "reason": args.reason, "forget_heartbeat": args.forget_heartbeat });
            act(args.target, "reset", body, "starts over").await
        }
        ActivityCommand::Complete(args) => {
            let result = json_text("--result", args.result, args.result_file.as_deref())?;
            act(args.target, "complete", Completion { result }, "is completed").await
        }
        ActivityCommand::Fail(args) => {
            let failure = json!({
                "type": args.type_name,
                "message": args.message,
                "non_retryable": args.non_retryable,
            });
            act(args.target, "fail", json!({ "failure": failure }), "has failed").await
        }
    }
}

/// Sent byte for byte.
#[derive(Serialize)]
struct Completion {
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
}

async fn act(target: Target, verb: &str, body: impl Serialize, done: &str) -> Result<Exit> {
    let run = target.run.address();
    let client = target.client.client()?;
    let answer = client.act_on_activity(&run, target.operation, verb, &body).await?;
    if target.client.is_json() {
        output::line(&answer.text)?;
    } else {
        let acted: Acted = answer.read()?;
        let text = format!(
            "activity {} of {} (run {}) {done}",
            target.operation, run.workflow_id, acted.run_id
        );
        output::note(&output::printable(&text));
    }
    Ok(Exit::Success)
}
