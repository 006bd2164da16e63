//! `dacapo run query`

use std::path::PathBuf;

use anyhow::Result;
use dacapo_model::ids::QueryName;

use super::input::json_text;
use crate::args::{ClientFlags, RunFlags};
use crate::client::QueryBody;
use crate::client::wire::QueryAnswer;
use crate::exit::Exit;
use crate::output;

/// Asks a run what it knows, and prints the answer. Nothing is recorded. Values
/// that the workflow has published are answered at every time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo run query order-17 status
  dacapo run query order-17 item --input '{\"number\": 3}'")]
pub struct QueryArgs {
    #[command(flatten)]
    run: RunFlags,

    /// What to ask for; the workflow answers by this name.
    #[arg(value_name = "NAME")]
    name: QueryName,

    /// The argument, as JSON.
    #[arg(long, value_name = "JSON", conflicts_with = "input_file")]
    input: Option<String>,

    /// A file that holds the argument; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    input_file: Option<PathBuf>,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: QueryArgs) -> Result<Exit> {
    let run = args.run.address();
    let body = QueryBody { input: json_text("--input", args.input, args.input_file.as_deref())? };
    let answer = args.client.client()?.query_run(&run, args.name.as_str(), &body).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let answer: QueryAnswer = answer.read()?;
    output::payload("the answer", answer.result.as_deref(), answer.result_base64.as_deref())?;
    Ok(Exit::Success)
}
