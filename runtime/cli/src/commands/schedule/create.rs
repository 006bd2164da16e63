//! `dacapo schedule create` and `update`.

use anyhow::Result;
use dacapo_model::ids::RequestId;

use super::ScheduleFlags;
use super::definition::DefinitionFlags;
use crate::args::ClientFlags;
use crate::commands::run::options::{given, json};
use crate::exit::Exit;
use crate::output;

/// Makes a schedule: it starts a run of a workflow at each of its times.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo schedule create nightly report --cron '30 2 * * *' --time-zone Europe/Berlin
  dacapo schedule create poll check --every 300 --overlap buffer-one --jitter 30
  dacapo schedule create by-hand report --input '{\"all\": true}'

The third is due only when it is triggered.")]
pub struct CreateArgs {
    #[command(flatten)]
    schedule: ScheduleFlags,

    #[command(flatten)]
    definition: DefinitionFlags,

    /// Start nothing until it is resumed.
    #[arg(long)]
    paused: bool,

    /// Something for people.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,

    /// Start so many runs at most, those that are triggered left out.
    #[arg(long, value_name = "NUMBER")]
    remaining_actions: Option<u64>,

    /// By which the server recognises a repeat of this request.
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,

    #[command(flatten)]
    client: ClientFlags,
}

/// Gives a schedule another definition: what is not said has its default, as when it is made.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  dacapo schedule update nightly report --cron '30 3 * * *' --time-zone Europe/Berlin"
)]
pub struct UpdateArgs {
    #[command(flatten)]
    schedule: ScheduleFlags,

    #[command(flatten)]
    definition: DefinitionFlags,

    /// Another note.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,

    /// Start so many runs more at most [default: as many as before].
    #[arg(long, value_name = "NUMBER")]
    remaining_actions: Option<u64>,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn create(args: CreateArgs) -> Result<Exit> {
    let mut body = args.definition.into_fields()?;
    let schedule_id = args.schedule.schedule_id.as_str();
    body.extend(given([
        ("schedule_id", json(Some(schedule_id))),
        ("paused", json(args.paused.then_some(true))),
        ("note", json(args.note)),
        ("remaining_actions", json(args.remaining_actions)),
        ("request_id", json(args.request_id.map(String::from))),
    ]));
    let answer = args.client.client()?.create_schedule(&body).await?;
    let done = if answer.is_created { "created" } else { "was created by this request before" };
    match args.client.is_json() {
        true => output::line(&answer.text)?,
        false => output::note(&output::printable(&format!("schedule {schedule_id} {done}"))),
    }
    Ok(Exit::Success)
}

pub(super) async fn update(args: UpdateArgs) -> Result<Exit> {
    let mut body = args.definition.into_fields()?;
    let schedule_id = args.schedule.schedule_id.as_str();
    body.extend(given([
        ("note", json(args.note)),
        ("remaining_actions", json(args.remaining_actions)),
    ]));
    let answer = args.client.client()?.update_schedule(schedule_id, &body).await?;
    match args.client.is_json() {
        true => output::line(&answer.text)?,
        false => output::note(&output::printable(&format!("schedule {schedule_id} is changed"))),
    }
    Ok(Exit::Success)
}
