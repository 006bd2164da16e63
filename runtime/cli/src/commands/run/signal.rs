//! `dacapo run signal`

use std::path::PathBuf;

use anyhow::Result;
use dacapo_model::ids::{RequestId, SignalName};

use super::input::json_text;
use crate::args::{ClientFlags, RunFlags};
use crate::client::SignalBody;
use crate::client::wire::Acted;
use crate::exit::Exit;
use crate::output;

/// Sends a run a signal. It is kept for a workflow that does not wait for it
/// yet.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo run signal order-17 approved --input '{\"by\": \"ann\"}'
  dacapo run signal order-17 approved --request-id approval-1

With --request-id, sending the same signal again is safe: the run records it
once.")]
pub struct SignalArgs {
    #[command(flatten)]
    run: RunFlags,

    /// What the signal is about; the workflow waits for it by this name.
    #[arg(value_name = "NAME")]
    name: SignalName,

    /// What it says, as JSON.
    #[arg(long, value_name = "JSON", conflicts_with = "input_file")]
    input: Option<String>,

    /// A file that holds what it says; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    input_file: Option<PathBuf>,

    /// By which the server recognises a repeat of this request.
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: SignalArgs) -> Result<Exit> {
    let run = args.run.address();
    let body = SignalBody {
        input: json_text("--input", args.input, args.input_file.as_deref())?,
        request_id: args.request_id.map(String::from),
    };
    let answer = args.client.client()?.signal_run(&run, args.name.as_str(), &body).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
    } else {
        let acted: Acted = answer.read()?;
        let text =
            format!("{} (run {}) has got signal {}", run.workflow_id, acted.run_id, args.name);
        output::note(&output::printable(&text));
    }
    Ok(Exit::Success)
}
