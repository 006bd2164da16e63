//! `dacapo run cancel`, `terminate`, `tag` and `retry`: one request each.

use anyhow::Result;
use clap::ArgGroup;
use dacapo_model::ids::RequestId;
use dacapo_model::tag::Tag;
use serde_json::{Value, json};

use crate::args::{ClientFlags, RunFlags};
use crate::client::wire::Acted;
use crate::client::{ClientError, RunAddress};
use crate::exit::Exit;
use crate::output;

/// Asks a run to end. Its code hears of it and may clean up first; the run is
/// canceled when that is done.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo run cancel order-17 --reason 'the customer called'")]
pub struct CancelArgs {
    #[command(flatten)]
    run: RunFlags,

    /// Why, for people.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// By which the server recognises a repeat of this request.
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,

    #[command(flatten)]
    client: ClientFlags,
}

/// Ends a run at once, without asking its code. Nothing is cleaned up.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo run terminate order-17 --reason 'started by mistake'")]
pub struct TerminateArgs {
    #[command(flatten)]
    run: RunFlags,

    /// Why, for people.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    #[command(flatten)]
    client: ClientFlags,
}

/// Changes the labels of an open run. To add one that is there, or to remove one that is not,
/// changes nothing.
#[derive(Debug, clap::Args)]
#[command(
    group(ArgGroup::new("change").args(["add", "remove"]).required(true).multiple(true)),
    after_help = "Example:\n  dacapo run tag order-17 --add 'in review' --remove new"
)]
pub struct TagArgs {
    #[command(flatten)]
    run: RunFlags,

    /// Put this label on it. May be repeated.
    #[arg(long, value_name = "TAG")]
    add: Vec<Tag>,

    /// Take this label from it. May be repeated.
    #[arg(long, value_name = "TAG")]
    remove: Vec<Tag>,

    #[command(flatten)]
    client: ClientFlags,
}

/// Lets a blocked run try again from where it stands, after what blocked it was
/// changed: a limit was raised, or the module can be loaded again. A run that is not
/// blocked is left alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo run retry order-17")]
pub struct RetryArgs {
    #[command(flatten)]
    run: RunFlags,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn cancel(args: CancelArgs) -> Result<Exit> {
    let request_id = args.request_id.map(String::from);
    let body = given([("reason", args.reason), ("request_id", request_id)]);
    act(args.client, args.run, "cancel", body, "was asked to cancel").await
}

pub(super) async fn terminate(args: TerminateArgs) -> Result<Exit> {
    let body = given([("reason", args.reason)]);
    act(args.client, args.run, "terminate", body, "is terminated").await
}

pub(super) async fn tag(args: TagArgs) -> Result<Exit> {
    let body = json!({"add": args.add, "remove": args.remove});
    act(args.client, args.run, "tags", body, "has its tags").await
}

pub(super) async fn retry(args: RetryArgs) -> Result<Exit> {
    let (client, run) = (args.client.clone(), args.run.address());
    match act(args.client, args.run, "retry", json!({}), "tries again").await {
        Err(error) => match run_that_goes_on(&error) {
            Some(run_id) => nothing_to_do(&client, &run, &run_id),
            None => Err(error),
        },
        done => done,
    }
}

/// The run, if a retry was refused because it is not blocked. That is what was asked for:
/// somebody else was first, or it was never blocked.
fn run_that_goes_on(error: &anyhow::Error) -> Option<String> {
    let ClientError::Refused(refusal) = error.downcast_ref()? else { return None };
    let told = |name: &str| refusal.details.get(name).and_then(Value::as_str);
    let goes_on = refusal.code == "invalid_argument" && told("status") == Some("running");
    goes_on.then(|| told("run_id").unwrap_or_default().to_owned())
}

fn nothing_to_do(flags: &ClientFlags, run: &RunAddress, run_id: &str) -> Result<Exit> {
    if flags.is_json() {
        // As if it had been blocked.
        output::line(&json!({ "run_id": run_id }).to_string())?;
    } else {
        let text = format!("{} (run {run_id}) is not blocked: nothing to do", run.workflow_id);
        output::note(&output::printable(&text));
    }
    Ok(Exit::Success)
}

/// A body of those fields that have a value.
pub(in crate::commands) fn given<const N: usize>(fields: [(&str, Option<String>); N]) -> Value {
    let given =
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    Value::Object(given.collect())
}

async fn act(
    flags: ClientFlags,
    run: RunFlags,
    verb: &str,
    body: Value,
    done: &str,
) -> Result<Exit> {
    let run = run.address();
    let answer = flags.client()?.act_on_run(&run, verb, &body).await?;
    if flags.is_json() {
        output::line(&answer.text)?;
    } else {
        let acted: Acted = answer.read()?;
        let text = format!("{} (run {}) {done}", run.workflow_id, acted.run_id);
        output::note(&output::printable(&text));
    }
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::args::Cli;

    #[test]
    fn to_tag_is_to_add_or_to_remove() {
        let tag = |words: &[&str]| {
            let line = [&["dacapo", "run", "tag", "order-17"], words].concat();
            Cli::try_parse_from(line).map(drop)
        };
        for words in [&["--add", "a"][..], &["--remove", "a"], &["--add", "a", "--remove", "b"]] {
            tag(words).expect("valid");
        }
        let refused = tag(&[]).expect_err("nothing to do");
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().contains("--add <TAG>|--remove <TAG>"), "{refused}");
    }
}
