//! `dacapo run reset`

use anyhow::Result;
use dacapo_model::ids::RequestId;
use serde_json::{Value, json};

use crate::args::{ClientFlags, RunFlags};
use crate::client::wire::Acted;
use crate::exit::Exit;
use crate::output;

/// Starts a run over from a point of its history, as a new run. The open run of
/// the workflow id, if there is one, is terminated.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo run reset order-17 --to 12 --reason 'charged twice'
  dacapo run reset order-17 --to last
  dacapo run reset order-17 --to 12 --newest
  dacapo run reset order-17 --to first --reapply none")]
pub struct ResetArgs {
    #[command(flatten)]
    run: RunFlags,

    /// The first event that is undone (see `dacapo run history`), or `first`: all
    /// that the workflow did, or `last`: what it did last.
    #[arg(long, value_name = "EVENT", value_parser = parse_point)]
    to: Value,

    /// What of the undone part is sent to the new run again.
    #[arg(long, value_enum, value_name = "WHAT", default_value = "all")]
    reapply: Reapply,

    /// Go on with the newest version of the code; without it, with that of the part
    /// that is kept.
    #[arg(long)]
    newest: bool,

    /// Go on with this version of the code.
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..),
        conflicts_with = "newest"
    )]
    to_version: Option<u32>,

    /// Why, for people.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,

    /// By which the server recognises a repeat of this request.
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,

    #[command(flatten)]
    client: ClientFlags,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Reapply {
    /// All that can be: signals, and updates that were accepted.
    All,
    /// Signals.
    Signals,
    /// Nothing.
    None,
}

pub(super) async fn run(args: ResetArgs) -> Result<Exit> {
    let reapply = match args.reapply {
        Reapply::All => "all",
        Reapply::Signals => "signals",
        Reapply::None => "none",
    };
    let body = json!({
        "event_id": args.to,
        "reapply": reapply,
        "module": match (args.newest, args.to_version) {
            (_, Some(version)) => json!({ "version": version }),
            (true, None) => json!({}),
            (false, None) => Value::Null,
        },
        "reason": args.reason,
        "request_id": args.request_id.map(String::from),
    });
    let run = args.run.address();
    let answer = args.client.client()?.act_on_run(&run, "reset", &body).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
    } else {
        let acted: Acted = answer.read()?;
        output::note(&output::printable(&format!("{} goes on as a new run", run.workflow_id)));
        output::line(&output::printable(&acted.run_id))?;
    }
    Ok(Exit::Success)
}

fn parse_point(text: &str) -> Result<Value, String> {
    match text {
        "first" => Ok("first".into()),
        "last" | "last-activation" | "last_activation" => Ok("last_activation".into()),
        number => number
            .parse::<u64>()
            .map(Value::from)
            .map_err(|_| "it is the number of an event, or `first`, or `last`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_an_event_or_a_place_with_a_name() {
        assert_eq!(parse_point("12"), Ok(json!(12)));
        assert_eq!(parse_point("first"), Ok(json!("first")));
        assert_eq!(parse_point("last"), Ok(json!("last_activation")));
        assert!(parse_point("-1").is_err() && parse_point("twelve").is_err());
    }
}
