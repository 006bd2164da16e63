//! `dacapo run update`

use std::path::PathBuf;

use anyhow::Result;
use dacapo_model::ids::{UpdateId, UpdateName};
use dacapo_service::operations::made_up_update_id;

use super::input::json_text;
use super::wait::{Wait, parse_wait};
use crate::args::{ClientFlags, RunFlags};
use crate::client::wire::UpdateAnswer;
use crate::client::{UpdateBody, now};
use crate::exit::Exit;
use crate::output;

/// Sends a run an update, waits for its outcome and prints it. A workflow may
/// reject it; what it accepts is in its history.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo run update order-17 add-item --input '{\"item\": \"lamp\"}'
  dacapo run update order-17 add-item --update-id item-1 --wait=5
  dacapo run update order-17 add-item --wait-for accepted

With --update-id, sending the same update again is safe: it is done once, and has
one outcome. The exit code is 4 if the update was rejected or failed, and 5 if it
has no outcome yet.")]
pub struct UpdateArgs {
    #[command(flatten)]
    run: RunFlags,

    /// What to ask for; the workflow chooses by this name what to do.
    #[arg(value_name = "NAME")]
    name: UpdateName,

    /// The argument, as JSON.
    #[arg(long, value_name = "JSON", conflicts_with = "input_file")]
    input: Option<String>,

    /// A file that holds the argument; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    input_file: Option<PathBuf>,

    /// By which the server recognises a repeat of this update [default: a new one].
    #[arg(long, value_name = "ID")]
    update_id: Option<UpdateId>,

    /// What to wait for.
    #[arg(long, value_enum, value_name = "STAGE", default_value_t)]
    wait_for: WaitFor,

    /// Wait for at most so many seconds [default: without end].
    #[arg(long, value_name = "SECONDS", value_parser = parse_wait)]
    wait: Option<Wait>,

    #[command(flatten)]
    client: ClientFlags,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum WaitFor {
    /// That the workflow has decided about it.
    Accepted,
    /// That it has its outcome.
    #[default]
    Completed,
}

pub(super) async fn run(args: UpdateArgs) -> Result<Exit> {
    let run = args.run.address();
    let body = UpdateBody {
        input: json_text("--input", args.input, args.input_file.as_deref())?,
        update_id: args.update_id.unwrap_or_else(made_up_update_id).into(),
        wait_for: match args.wait_for {
            WaitFor::Accepted => "accepted",
            WaitFor::Completed => "completed",
        },
    };
    let client = args.client.client()?;
    let (wait, started) = (args.wait.unwrap_or(Wait::Forever), now());
    // The same update each time: its id says so.
    let answer = loop {
        let left = wait.left(now().duration_since(started));
        let answer = client.update_run(&run, args.name.as_str(), &body, left).await?;
        if !answer.is_pending || wait.left(now().duration_since(started)).is_zero() {
            break answer;
        }
    };
    let is_pending = answer.is_pending;
    let update: UpdateAnswer = answer.read()?;
    let exit = match (&update.failure, is_pending) {
        (Some(_), _) => Exit::RunNotCompleted,
        (None, true) => Exit::TimedOut,
        (None, false) => Exit::Success,
    };
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(exit);
    }
    match &update.failure {
        Some(failure) => {
            let text = format!("{} is {}: {}", body.update_id, update.stage, failure.sentence());
            output::note(&output::printable(&text));
        }
        None if update.stage == "completed" => {
            output::payload(
                "the result",
                update.result.as_deref(),
                update.result_base64.as_deref(),
            )?;
        }
        None => {
            let text = format!("update {} is {}", body.update_id, update.stage);
            output::note(&output::printable(&text));
        }
    }
    Ok(exit)
}
