//! What a schedule is told: one request each.

use anyhow::Result;
use dacapo_model::ids::RequestId;

use super::ScheduleFlags;
use super::definition::Overlap;
use crate::args::ClientFlags;
use crate::client::Answer;
use crate::client::wire::ActionsAsked;
use crate::commands::run::given;
use crate::exit::Exit;
use crate::output;

/// Pauses a schedule, or lets it go on. What is due while it is paused is not made up for.
#[derive(Debug, clap::Args)]
pub struct PauseArgs {
    #[command(flatten)]
    schedule: ScheduleFlags,

    /// Why, for people.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,

    /// By which the server recognises a repeat of this request.
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,

    #[command(flatten)]
    client: ClientFlags,
}

/// Starts the run of a schedule now, also while it is paused.
#[derive(Debug, clap::Args)]
pub struct TriggerArgs {
    #[command(flatten)]
    schedule: ScheduleFlags,

    /// If a run that it started is open [default: as the schedule says].
    #[arg(long, value_enum, value_name = "POLICY")]
    overlap: Option<Overlap>,

    /// By which the server recognises a repeat of this request.
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,

    #[command(flatten)]
    client: ClientFlags,
}

/// Starts the runs of a stretch of time now, at most 1,000 of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  dacapo schedule backfill nightly --from 2026-11-01T00:00:00Z --to 2026-11-08T00:00:00Z --overlap buffer-all")]
pub struct BackfillArgs {
    #[command(flatten)]
    schedule: ScheduleFlags,

    /// The first time.
    #[arg(long, value_name = "TIME")]
    from: String,

    /// The last time.
    #[arg(long, value_name = "TIME")]
    to: String,

    /// If a run that it started is open [default: as the schedule says].
    #[arg(long, value_enum, value_name = "POLICY")]
    overlap: Option<Overlap>,

    /// By which the server recognises a repeat of this request.
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,

    #[command(flatten)]
    client: ClientFlags,
}

/// Deletes a schedule. Runs that it started go on.
#[derive(Debug, clap::Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    schedule: ScheduleFlags,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn pause(args: PauseArgs, verb: &str, done: &str) -> Result<Exit> {
    let request_id = args.request_id.map(String::from);
    let body = given([("note", args.note), ("request_id", request_id)]);
    let schedule_id = args.schedule.schedule_id.as_str();
    let answer = args.client.client()?.act_on_schedule(schedule_id, verb, &body).await?;
    told(&args.client, schedule_id, &answer, done)
}

pub(super) async fn trigger(args: TriggerArgs) -> Result<Exit> {
    let overlap = args.overlap.map(|it| it.wire_name().to_owned());
    let body = given([("overlap", overlap), ("request_id", args.request_id.map(String::from))]);
    let schedule_id = args.schedule.schedule_id.as_str();
    let answer = args.client.client()?.act_on_schedule(schedule_id, "trigger", &body).await?;
    asked(&args.client, &answer)
}

pub(super) async fn backfill(args: BackfillArgs) -> Result<Exit> {
    let body = given([
        ("from", Some(args.from)),
        ("to", Some(args.to)),
        ("overlap", args.overlap.map(|it| it.wire_name().to_owned())),
        ("request_id", args.request_id.map(String::from)),
    ]);
    let schedule_id = args.schedule.schedule_id.as_str();
    let answer = args.client.client()?.act_on_schedule(schedule_id, "backfill", &body).await?;
    asked(&args.client, &answer)
}

pub(super) async fn delete(args: DeleteArgs) -> Result<Exit> {
    let schedule_id = args.schedule.schedule_id.as_str();
    let answer = args.client.client()?.delete_schedule(schedule_id).await?;
    told(&args.client, schedule_id, &answer, "is deleted")
}

fn told(flags: &ClientFlags, schedule_id: &str, answer: &Answer, done: &str) -> Result<Exit> {
    match flags.is_json() {
        true => output::line(&answer.text)?,
        false => output::note(&output::printable(&format!("schedule {schedule_id} {done}"))),
    }
    Ok(Exit::Success)
}

fn asked(flags: &ClientFlags, answer: &Answer) -> Result<Exit> {
    let asked: ActionsAsked = answer.read()?;
    let exit = if asked.failed == 0 { Exit::Success } else { Exit::Failed };
    if flags.is_json() {
        output::line(&answer.text)?;
        return Ok(exit);
    }
    output::note(&output::printable(&in_words(&asked)));
    if let Some(workflow_id) = asked.workflow_id {
        output::line(&output::printable(&workflow_id))?;
    }
    Ok(exit)
}

fn in_words(asked: &ActionsAsked) -> String {
    let ActionsAsked { started, buffered, skipped, dropped, failed, .. } = asked;
    let mut text = format!("{started} started");
    for (count, what) in [
        (buffered, "wait for the end of a run"),
        (skipped, "skipped, since a run is open"),
        (dropped, "dropped, since too many wait"),
        (failed, "could not start"),
    ] {
        if *count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    if let Some(failure) = &asked.failure {
        text.push_str(&format!(": {}: {}", failure.r#type, failure.message));
    }
    text
}
