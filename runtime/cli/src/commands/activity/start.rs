//! `dacapo activity start`

use std::path::PathBuf;

use anyhow::Result;
use dacapo_model::ids::{ActivityId, QueueName, RequestId, TypeName};

use super::options::ActivityOptionFlags;
use super::result::wait_for;
use crate::args::ClientFlags;
use crate::client::wire::StartedActivity;
use crate::client::{
    ActivityAddress, Answer, Client, ClientError, Patience, StartActivityBody,
    StartActivityOptions, now,
};
use crate::commands::run::input::json_text;
use crate::commands::run::start::{ConflictPolicy, ReusePolicy, new_id};
use crate::commands::run::wait::{Wait, bear, parse_wait};
use crate::exit::Exit;
use crate::output;

/// Starts an activity without a workflow. A worker of the queue makes it, and it is tried
/// again until it completes, unless the flags say otherwise.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo activity start send_email --queue emails --input '{\"to\": \"ann\"}' --activity-id welcome-17
  dacapo activity start resize --queue images --input-file image.json --timeout 600 --wait=60
  dacapo activity start report --queue slow --start-delay 3600 --retry-attempts 3

With --request-id, sending the same start again is safe: the server answers with
the activity that the first one started.")]
pub struct StartArgs {
    /// Type of the activity, as the workers of the queue know it.
    #[arg(value_name = "ACTIVITY")]
    activity: TypeName,

    /// The task queue whose workers do it.
    #[arg(long, value_name = "NAME")]
    queue: QueueName,

    /// Its argument, as JSON.
    #[arg(long, value_name = "JSON", conflicts_with = "input_file")]
    input: Option<String>,

    /// A file that holds its argument; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    input_file: Option<PathBuf>,

    /// Your name for it; at most one activity of this name is open [default: one that is
    /// made for it].
    #[arg(long, value_name = "ID")]
    activity_id: Option<ActivityId>,

    /// By which the server recognises a repeat of this request.
    #[arg(long, value_name = "ID", requires = "activity_id")]
    request_id: Option<RequestId>,

    /// If the latest activity of the id is closed [default: allow-duplicate].
    #[arg(long, value_enum, value_name = "POLICY")]
    reuse_policy: Option<ReusePolicy>,

    /// If an activity of the id is open [default: fail].
    #[arg(long, value_enum, value_name = "POLICY")]
    conflict_policy: Option<ConflictPolicy>,

    #[command(flatten)]
    options: ActivityOptionFlags,

    /// Wait for its end and print its result; with a value, at most for that many
    /// seconds.
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

pub(super) async fn run(args: StartArgs) -> Result<Exit> {
    let mut body = StartActivityBody {
        activity: args.activity.as_str().to_owned(),
        task_queue: args.queue.as_str().to_owned(),
        activity_id: args.activity_id.map(String::from),
        request_id: args.request_id.map(String::from),
        input: json_text("--input", args.input, args.input_file.as_deref())?,
        options: StartActivityOptions {
            id_reuse_policy: args.reuse_policy.map(ReusePolicy::wire_name),
            id_conflict_policy: args.conflict_policy.map(ConflictPolicy::wire_name),
            more: args.options.into_fields(),
        },
    };
    let client = args.client.client()?;
    let asked = now();
    let answer = match args.wait {
        Some(wait) => start_patiently(&client, &mut body, wait).await?,
        None => client.start_activity(&body).await?,
    };
    let started: StartedActivity = answer.read()?;
    let message = if started.started { "started" } else { "was started before:" };
    let message = format!("{message} {} (run {})", started.activity_id, started.run_id);
    match args.wait {
        Some(wait) => {
            output::note(&output::printable(&message));
            let (activity_id, run_id) = (started.activity_id, Some(started.run_id));
            let wait = wait.after(now().duration_since(asked));
            let activity = ActivityAddress { activity_id, run_id };
            wait_for(&args.client, &client, &activity, wait, Some(Patience::default())).await
        }
        None if args.client.is_json() => {
            output::line(&answer.text)?;
            Ok(Exit::Success)
        }
        None => {
            output::note(&output::printable(&message));
            output::line(&output::printable(&started.activity_id))?;
            Ok(Exit::Success)
        }
    }
}

/// Starts it, and again if the server goes away meanwhile. It recognises the repeat by the
/// request id, which needs a name for the activity.
async fn start_patiently(
    client: &Client,
    body: &mut StartActivityBody,
    wait: Wait,
) -> Result<Answer, ClientError> {
    body.activity_id.get_or_insert_with(new_id);
    body.request_id.get_or_insert_with(new_id);
    let asked = now();
    let mut patience = None;
    loop {
        match client.start_activity(body).await {
            Err(error) if !wait.left(now().duration_since(asked)).is_zero() => {
                bear(&mut patience, error).await?;
            }
            outcome => return outcome,
        }
    }
}
