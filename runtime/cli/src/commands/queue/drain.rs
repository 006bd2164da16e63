//! `dacapo queue drain` and `dacapo queue resume`

use std::time::Duration;

use anyhow::Result;
use dacapo_model::ids::QueueName;
use serde_json::json;

use crate::args::ClientFlags;
use crate::client::wire::TaskQueueDescription;
use crate::client::{Client, now};
use crate::commands::run::{Wait, parse_wait};
use crate::exit::Exit;
use crate::output;

/// Between two looks at what is still in hand.
const PAUSE: Duration = Duration::from_millis(500);

/// Hands out no more tasks of a queue. Workers go on with those they have; what is
/// scheduled meanwhile waits.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo queue drain emails
  dacapo queue drain emails --wait=60
  dacapo queue resume emails

The exit code is 5 if workers still have tasks when the wait is over. The queue stays
drained, also if the server is restarted, until `dacapo queue resume`.")]
pub struct DrainArgs {
    /// Name of the queue.
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// Wait until workers have none of its tasks; with a value, at most for that many seconds.
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

/// Hands out the tasks of a queue again that was drained.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo queue resume emails")]
pub struct ResumeArgs {
    /// Name of the queue.
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn drain(args: DrainArgs) -> Result<Exit> {
    let (client, queue) = (args.client.client()?, args.queue.as_str());
    client.change_queue(queue, &json!({ "drained": true })).await?;
    let (text, in_hand) = left(&client, queue, args.wait).await?;
    if args.client.is_json() {
        output::line(&text)?;
    } else {
        output::note(&drained(&output::printable(queue), in_hand));
    }
    match args.wait {
        Some(_) if in_hand > 0 => Ok(Exit::TimedOut),
        _ => Ok(Exit::Success),
    }
}

pub(super) async fn resume(args: ResumeArgs) -> Result<Exit> {
    let (client, queue) = (args.client.client()?, args.queue.as_str());
    let answer = client.change_queue(queue, &json!({ "drained": false })).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
    } else {
        output::note(&format!("`{}` hands out its tasks", output::printable(queue)));
    }
    Ok(Exit::Success)
}

/// The queue as it is then, and how many tasks workers still have.
async fn left(client: &Client, queue: &str, wait: Option<Wait>) -> Result<(String, u64)> {
    let (wait, started) = (wait.unwrap_or(Wait::AtMost(Duration::ZERO)), now());
    loop {
        let answer = client.show_queue(queue).await?;
        let in_hand = answer.read::<TaskQueueDescription>()?.in_hand;
        let left = wait.left(now().duration_since(started));
        if in_hand == 0 || left.is_zero() {
            return Ok((answer.text, in_hand));
        }
        tokio::time::sleep(PAUSE.min(left)).await;
    }
}

fn drained(name: &str, in_hand: u64) -> String {
    let left = match in_hand {
        0 => "workers have none of its tasks".to_owned(),
        1 => "workers still have 1 of its tasks".to_owned(),
        _ => format!("workers still have {in_hand} of its tasks"),
    };
    format!("`{name}` hands out nothing; {left}")
}
