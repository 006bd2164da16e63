//! `dacapo schedule show`

use anyhow::Result;

use super::ScheduleFlags;
use crate::args::ClientFlags;
use crate::client::wire::{ScheduleDescription, ScheduledAction};
use crate::exit::Exit;
use crate::output;

/// Shows what a schedule does, when it is due next, what is open or waits, and how its last
/// runs ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo schedule show nightly")]
pub struct ShowArgs {
    #[command(flatten)]
    schedule: ScheduleFlags,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ShowArgs) -> Result<Exit> {
    let schedule_id = args.schedule.schedule_id.as_str();
    let answer = args.client.client()?.show_schedule(schedule_id).await?;
    match args.client.is_json() {
        true => output::line(&answer.text)?,
        false => output::line(&describe(answer.read()?))?,
    }
    Ok(Exit::Success)
}

fn describe(described: ScheduleDescription) -> String {
    let counters = described.counters;
    let mut fields = vec![
        ("schedule id", described.schedule_id),
        ("starts", described.action.workflow),
        ("workflow id", described.action.workflow_id),
        ("spec", described.spec.get().to_owned()),
        ("overlap", described.policies.overlap),
        ("state", if described.paused { "paused" } else { "active" }.to_owned()),
    ];
    if !described.note.is_empty() {
        fields.push(("note", described.note));
    }
    fields.extend(described.remaining_actions.map(|left| ("may start", left.to_string())));
    fields.push(("made", described.created_at));
    let done = format!(
        "{} started, {} missed, {} skipped, {} dropped, {} could not start",
        counters.actions,
        counters.missed,
        counters.skipped,
        counters.buffer_dropped,
        counters.start_failures
    );
    fields.push(("so far", done));
    fields.push(("open", described.running_count.to_string()));
    fields.push(("waiting", described.buffered_count.to_string()));
    fields.extend(described.next_times.into_iter().map(|time| ("next", time.due_at)));
    fields.extend(described.recent_actions.iter().map(|action| ("action", line(action))));
    fields.extend(described.blocked.map(|report| ("blocked", report.message)));
    output::fields(&fields)
}

fn line(action: &ScheduledAction) -> String {
    let failure = action.failure.as_ref();
    let failure = failure.map(|it| format!(": {}: {}", it.r#type, output::brief(&it.message, 80)));
    let manual = if action.manual { " (by hand)" } else { "" };
    format!(
        "{} {} {}{manual}{}",
        action.scheduled_time,
        action.status,
        action.workflow_id,
        failure.unwrap_or_default()
    )
}
