//! `dacapo batch pause`, `resume` and `stop`: one request each.

use anyhow::Result;
use dacapo_model::ids::{BatchId, RequestId};
use serde_json::Value;

use crate::args::ClientFlags;
use crate::client::wire::Acted;
use crate::commands::run::given;
use crate::exit::Exit;
use crate::output;

/// Which batch.
#[derive(Debug, Clone, clap::Args)]
struct BatchFlags {
    /// The batch id.
    #[arg(value_name = "BATCH_ID")]
    batch_id: BatchId,

    /// By which the server recognises a repeat of this request.
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,

    #[command(flatten)]
    client: ClientFlags,
}

/// Pauses a batch: nothing more is begun until it is resumed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo batch pause cancel-may")]
pub struct PauseArgs {
    #[command(flatten)]
    batch: BatchFlags,
}

/// Goes on with a batch that is paused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo batch resume cancel-may")]
pub struct ResumeArgs {
    #[command(flatten)]
    batch: BatchFlags,
}

/// Stops a batch for good. What it has done stays done.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo batch stop cancel-may --reason 'the wrong filter'")]
pub struct StopArgs {
    #[command(flatten)]
    batch: BatchFlags,

    /// Why, for people.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) async fn pause(args: PauseArgs) -> Result<Exit> {
    act(args.batch, "pause", None, "is paused").await
}

pub(super) async fn resume(args: ResumeArgs) -> Result<Exit> {
    act(args.batch, "resume", None, "goes on").await
}

pub(super) async fn stop(args: StopArgs) -> Result<Exit> {
    act(args.batch, "stop", args.reason, "was asked to stop").await
}

async fn act(flags: BatchFlags, verb: &str, reason: Option<String>, done: &str) -> Result<Exit> {
    let BatchFlags { batch_id, request_id, client } = flags;
    let body: Value = given([("reason", reason), ("request_id", request_id.map(String::from))]);
    let answer = client.client()?.act_on_batch(batch_id.as_str(), verb, &body).await?;
    if client.is_json() {
        output::line(&answer.text)?;
    } else {
        let acted: Acted = answer.read()?;
        let text = format!("{batch_id} (run {}) {done}", acted.run_id);
        output::note(&output::printable(&text));
    }
    Ok(Exit::Success)
}
