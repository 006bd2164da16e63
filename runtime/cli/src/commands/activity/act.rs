//! `dacapo activity cancel` and `terminate`: one request each.

use anyhow::Result;
use dacapo_model::ids::RequestId;
use serde_json::Value;

use super::ActivityFlags;
use crate::args::ClientFlags;
use crate::client::wire::Acted;
use crate::commands::run::given;
use crate::exit::Exit;
use crate::output;

/// Asks an activity to end. A worker that has it hears of it with its next heartbeat, and
/// may clean up first; one that no worker has is canceled at once.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  dacapo activity cancel welcome-17 --reason 'the customer called'"
)]
pub struct CancelArgs {
    #[command(flatten)]
    activity: ActivityFlags,

    /// Why, for people.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// By which the server recognises a repeat of this request.
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,

    #[command(flatten)]
    client: ClientFlags,
}

/// Ends an activity at once. What its worker reports later counts for nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  dacapo activity terminate welcome-17 --reason 'started by mistake'"
)]
pub struct TerminateArgs {
    #[command(flatten)]
    activity: ActivityFlags,

    /// Why, for people.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn cancel(args: CancelArgs) -> Result<Exit> {
    let request_id = args.request_id.map(String::from);
    let body = given([("reason", args.reason), ("request_id", request_id)]);
    act(&args.client, &args.activity, "cancel", body, "was asked to cancel").await
}

pub(super) async fn terminate(args: TerminateArgs) -> Result<Exit> {
    let body = given([("reason", args.reason)]);
    act(&args.client, &args.activity, "terminate", body, "is terminated").await
}

async fn act(
    flags: &ClientFlags,
    activity: &ActivityFlags,
    verb: &str,
    body: Value,
    done: &str,
) -> Result<Exit> {
    let activity = activity.address();
    let answer = flags.client()?.act_on_standalone(&activity, verb, &body).await?;
    if flags.is_json() {
        output::line(&answer.text)?;
    } else {
        let acted: Acted = answer.read()?;
        let text = format!("{} (run {}) {done}", activity.activity_id, acted.run_id);
        output::note(&output::printable(&text));
    }
    Ok(Exit::Success)
}
