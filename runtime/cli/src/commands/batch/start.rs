//! `dacapo batch start`

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use dacapo_model::ids::{BatchId, ModuleName, RequestId, SignalName};
use dacapo_model::tag::Tag;
use serde_json::{Map, Value, json};

use crate::args::ClientFlags;
use crate::client::wire::StartedBatch;
use crate::commands::run::input::json_text;
use crate::exit::{Exit, UsageError};
use crate::output;

/// What to do with each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Operation {
    /// Send a signal (--signal).
    Signal,
    /// Ask to cancel.
    Cancel,
    /// Terminate at once.
    Terminate,
    /// Start over (--from).
    Reset,
    /// Go on with other code (--module, --module-version).
    Move,
    /// Let blocked runs try again.
    Retry,
    /// Delete closed runs.
    Delete,
    /// Change tags (--add, --remove).
    Tag,
}

/// Where histories are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum From {
    /// After the start.
    First,
    /// After what the workflow answered last.
    LastActivation,
}

/// Starts an operation on all runs that a filter matches. The server does it, and goes on
/// after a restart. Without --yes nothing is done: it is said how many runs match.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo batch start cancel --filter \"WorkflowType = 'order'\"
  dacapo batch start cancel --filter \"WorkflowType = 'order'\" --reason 'the shop closes' --yes
  dacapo batch start signal --signal approved --input '{\"by\": \"ann\"}' --filter \"...\" --yes
  dacapo batch start tag --add 'in review' --filter \"...\" --yes
  dacapo batch start reset --from first --filter \"ExecutionStatus = 'Failed'\" --yes

Runs that were started after the batch are not in it.")]
pub struct StartArgs {
    /// What to do with each run.
    #[arg(value_enum, value_name = "OPERATION")]
    operation: Operation,

    /// Which runs: as for `dacapo run list --filter`.
    #[arg(long, value_name = "FILTER")]
    filter: String,

    /// Start it. Without this, only say how many runs match.
    #[arg(long)]
    yes: bool,

    /// Why, for people.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// At most so many runs a second.
    #[arg(long, value_name = "RUNS", default_value_t = 100.0)]
    runs_per_second: f64,

    /// Your name for the batch, instead of one that is made up.
    #[arg(long, value_name = "ID")]
    batch_id: Option<BatchId>,

    /// By which the server recognises a repeat of this request. Needs --batch-id.
    #[arg(long, value_name = "ID", requires = "batch_id")]
    request_id: Option<RequestId>,

    /// The signal that is sent.
    #[arg(long, value_name = "NAME", help_heading = "For signal")]
    signal: Option<SignalName>,

    /// What the signal says, as JSON.
    #[arg(long, value_name = "JSON", conflicts_with = "input_file", requires = "signal")]
    #[arg(help_heading = "For signal")]
    input: Option<String>,

    /// A file that holds what the signal says; `-` reads standard input.
    #[arg(long, value_name = "FILE", requires = "signal", help_heading = "For signal")]
    input_file: Option<PathBuf>,

    /// Where runs start over.
    #[arg(long, value_enum, value_name = "POINT", help_heading = "For reset")]
    from: Option<From>,

    /// The module to go on with, instead of each run's own.
    #[arg(long, value_name = "NAME", help_heading = "For move and reset")]
    module: Option<ModuleName>,

    /// Its version, instead of the newest.
    #[arg(long, value_name = "NUMBER", help_heading = "For move and reset")]
    module_version: Option<u32>,

    /// A tag that runs get. May be repeated.
    #[arg(long, value_name = "TAG", help_heading = "For tag")]
    add: Vec<Tag>,

    /// A tag that runs lose. May be repeated.
    #[arg(long, value_name = "TAG", help_heading = "For tag")]
    remove: Vec<Tag>,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: StartArgs) -> Result<Exit> {
    let (flags, yes) = (args.client.clone(), args.yes);
    let answer = flags.client()?.start_batch(&body(args)?).await?;
    if flags.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let started: StartedBatch = answer.read()?;
    if !yes {
        let runs = match started.matched {
            Some(1) => "1 run matches".to_owned(),
            matched => format!("{} runs match", matched.unwrap_or_default()),
        };
        output::note(&format!("{runs}; nothing was done. Repeat it with --yes to start"));
        return Ok(Exit::Success);
    }
    let batch_id = started.batch_id.unwrap_or_default();
    output::line(&output::printable(&batch_id))?;
    let text = format!("started; see `dacapo batch show {}`", output::quoted(&batch_id));
    output::note(&output::printable(&text));
    Ok(Exit::Success)
}

fn body(args: StartArgs) -> Result<Value> {
    let operation = args.operation;
    let mut body = Map::new();
    let name = operation.to_possible_value().expect("none is hidden");
    body.insert("operation".to_owned(), name.get_name().into());
    body.insert("filter".to_owned(), args.filter.into());
    body.insert("runs_per_second".to_owned(), args.runs_per_second.into());
    body.insert("dry_run".to_owned(), (!args.yes).into());
    let texts = [
        ("reason", args.reason),
        ("batch_id", args.batch_id.map(String::from)),
        ("request_id", args.request_id.map(String::from)),
    ];
    for (name, text) in texts {
        body.extend(text.map(|text| (name.to_owned(), text.into())));
    }
    if args.signal.is_some() != (operation == Operation::Signal) {
        return Err(usage("--signal names what the operation `signal` sends: give both, or none"));
    }
    if let Some(signal) = args.signal {
        let mut sent = json!({"name": signal.as_str()});
        let input = json_text("--input", args.input, args.input_file.as_deref())?;
        if let Some(input) = input {
            sent["input"] = serde_json::from_str(input.get())?;
        }
        body.insert("signal".to_owned(), sent);
    }
    let has_tags = !(args.add.is_empty() && args.remove.is_empty());
    if has_tags != (operation == Operation::Tag) {
        return Err(usage(
            "--add and --remove name what the operation `tag` changes: give both, or none",
        ));
    }
    if has_tags {
        body.insert("tags".to_owned(), json!({"add": args.add, "remove": args.remove}));
    }
    let takes_module = matches!(operation, Operation::Move | Operation::Reset);
    let is_named = args.module.is_some() || args.module_version.is_some();
    if is_named && !takes_module {
        return Err(usage(
            "--module and --module-version are for the operations `move` and `reset`",
        ));
    }
    let mut module = Map::new();
    module.extend(args.module.map(|name| ("module".to_owned(), name.as_str().into())));
    module.extend(args.module_version.map(|number| ("version".to_owned(), number.into())));
    match (operation, args.from) {
        (Operation::Move, None) => {
            body.insert("module".to_owned(), module.into());
        }
        (Operation::Reset, from) => {
            let from = from.unwrap_or(From::First).to_possible_value().expect("none is hidden");
            let mut reset = json!({"point": from.get_name()});
            if is_named {
                reset["module"] = module.into();
            }
            body.insert("reset".to_owned(), reset);
        }
        (_, None) => {}
        (_, Some(_)) => return Err(usage("--from is for the operation `reset`")),
    }
    Ok(body.into())
}

fn usage(problem: &str) -> anyhow::Error {
    UsageError(problem.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};
    use crate::commands::batch::BatchCommand;

    fn body_of(words: &[&str]) -> Result<Value> {
        let words = ["dacapo", "batch", "start"].iter().chain(words);
        let Command::Batch(BatchCommand::Start(args)) =
            Cli::try_parse_from(words.copied()).expect("valid").command
        else {
            panic!("another command");
        };
        body(*args)
    }

    #[test]
    fn nothing_is_started_without_yes() {
        let dry = body_of(&["cancel", "--filter", "f"]).expect("valid");
        assert_eq!(dry["dry_run"], true);
        let started = body_of(&["cancel", "--filter", "f", "--yes"]).expect("valid");
        assert_eq!(
            started,
            json!({"operation": "cancel", "filter": "f", "runs_per_second": 100.0, "dry_run": false})
        );
    }

    #[test]
    fn each_operation_takes_its_own_flags() {
        let signal = ["signal", "--filter", "f", "--signal", "go", "--input", "[1]"];
        let signal = body_of(&signal).expect("valid");
        assert_eq!(signal["signal"], json!({"name": "go", "input": [1]}));
        let reset = body_of(&["reset", "--filter", "f", "--module-version", "3"]).expect("valid");
        assert_eq!(reset["reset"], json!({"point": "first", "module": {"version": 3}}));
        let moved = body_of(&["move", "--filter", "f"]).expect("valid");
        assert_eq!(moved["module"], json!({}));
        for wrong in [
            &["signal", "--filter", "f"][..],
            &["cancel", "--filter", "f", "--signal", "go"],
            &["cancel", "--filter", "f", "--module", "m"],
            &["move", "--filter", "f", "--from", "first"],
        ] {
            assert!(body_of(wrong).is_err(), "{wrong:?}");
        }
    }
}
