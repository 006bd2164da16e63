//! `dacapo queue set`

use std::str::FromStr;

use anyhow::Result;
use dacapo_model::ids::QueueName;
use dacapo_model::queue_limits::{Concurrency, Rate};
use serde_json::{Map, Value, json};

use crate::args::ClientFlags;
use crate::client::wire::TaskQueueSettings;
use crate::exit::{Exit, UsageError};
use crate::output;

/// Sets limits of a task queue, over all of its workers. What is not named stays as it is.
///
/// They hold for all that is handed out from then on, and are kept by the server. What workers
/// have in hand stays with them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo queue set emails --concurrency 50 --concurrency-per-key 3
  dacapo queue set emails --rate 100 --burst 200
  dacapo queue set emails --rate none

A key is the fairness key of an activity, such as a customer. Tasks without one have no limit
per key. `dacapo queue show` tells the limits; `dacapo queue drain` hands out nothing.")]
#[group(required = false)]
pub struct SetArgs {
    /// Name of the queue.
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// Tasks in hand at a time, or `none`.
    #[arg(long, value_name = "TASKS")]
    concurrency: Option<Limit<u64>>,

    /// Tasks of one key in hand at a time, or `none`.
    #[arg(long, value_name = "TASKS")]
    concurrency_per_key: Option<Limit<u64>>,

    /// Tasks handed out per second, or `none`.
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<Limit<f64>>,

    /// Tasks handed out at once after a pause; as many as a second brings if left out.
    #[arg(long, value_name = "TASKS", requires = "rate")]
    burst: Option<u64>,

    /// Tasks of one key handed out per second, or `none`.
    #[arg(long, value_name = "PER_SECOND")]
    rate_per_key: Option<Limit<f64>>,

    /// Tasks of one key handed out at once after a pause.
    #[arg(long, value_name = "TASKS", requires = "rate_per_key")]
    burst_per_key: Option<u64>,

    #[command(flatten)]
    client: ClientFlags,
}

/// A limit, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Limit<T>(Option<T>);

impl<T: FromStr> FromStr for Limit<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let number = text.parse().map_err(|_| "a limit is a number, or `none`".to_owned())?;
        Ok(Self(Some(number)))
    }
}

pub(super) async fn run(args: SetArgs) -> Result<Exit> {
    let body = change(&args).map_err(UsageError)?;
    let answer = args.client.client()?.change_queue(args.queue.as_str(), &body).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let set: TaskQueueSettings = answer.read()?;
    let name = output::printable(args.queue.as_str());
    match set.limits.told() {
        told if told.is_empty() => output::note(&format!("`{name}` has no limits")),
        told => output::note(&format!("`{name}`: {}", told.join(", "))),
    }
    Ok(Exit::Success)
}

/// What is sent; the numbers are those that a server would take.
fn change(args: &SetArgs) -> Result<Value, String> {
    let mut change = Map::new();
    for (name, limit) in
        [("concurrency", args.concurrency), ("concurrency_per_key", args.concurrency_per_key)]
    {
        if let Some(Limit(limit)) = limit {
            let checked = limit.map(Concurrency::new).transpose();
            checked.map_err(|error| error.to_string())?;
            change.insert(name.to_owned(), json!(limit));
        }
    }
    for (name, rate, burst) in
        [("rate", args.rate, args.burst), ("rate_per_key", args.rate_per_key, args.burst_per_key)]
    {
        match (rate, burst) {
            (None, _) => {}
            (Some(Limit(None)), None) => drop(change.insert(name.to_owned(), Value::Null)),
            (Some(Limit(None)), Some(_)) => {
                return Err("a burst belongs to a rate, which is to be `none`".to_owned());
            }
            (Some(Limit(Some(per_second))), burst) => {
                Rate::new(per_second, burst).map_err(|error| error.to_string())?;
                let mut rate = json!({ "per_second": per_second });
                if let Some(burst) = burst {
                    rate["burst"] = json!(burst);
                }
                change.insert(name.to_owned(), rate);
            }
        }
    }
    if change.is_empty() {
        return Err("nothing is to be set; `dacapo queue set --help` lists what can be".to_owned());
    }
    Ok(Value::Object(change))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: SetArgs,
    }

    fn read(line: &str) -> Result<Value, String> {
        let words = ["set", "emails"].into_iter().chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        change(&line.args)
    }

    #[test]
    fn only_what_is_named_is_sent() {
        let rate = json!({"rate": {"per_second": 0.5}, "concurrency_per_key": 3});
        assert_eq!(read("--rate 0.5 --concurrency-per-key 3"), Ok(rate));
        let rate = json!({"rate_per_key": {"per_second": 2.0, "burst": 9}, "concurrency": null});
        assert_eq!(read("--rate-per-key 2 --burst-per-key 9 --concurrency none"), Ok(rate));
        assert_eq!(read("--rate none"), Ok(json!({ "rate": null })));
    }

    #[test]
    fn what_can_not_be_set_is_refused() {
        for line in [
            "",
            "--concurrency 0",
            "--concurrency many",
            "--concurrency-per-key -1",
            "--rate 0",
            "--rate 1000000",
            "--burst 3",
            "--rate none --burst 3",
            "--rate 1 --burst 0",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
