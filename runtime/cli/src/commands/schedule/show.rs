//! `dacapo schedule show`

use anyhow::Result;

use super::{ScheduleFlags, state};
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
        ("state", state(described.blocked.is_some(), described.paused).to_owned()),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schedule_that_the_server_can_not_go_on_with_is_shown_as_blocked() {
        let shown = |blocked: serde_json::Value, paused: bool| {
            let described = json!({
                "schedule_id": "nightly",
                "spec": {},
                "action": {"workflow": "report", "workflow_id": "{id}-{time}"},
                "policies": {"overlap": "skip"},
                "paused": paused,
                "note": "",
                "created_at": "2026-11-30T12:00:00Z",
                "next_times": [],
                "counters": {
                    "actions": 0, "missed": 0, "skipped": 0, "buffer_dropped": 0,
                    "start_failures": 0,
                },
                "running_count": 0,
                "buffered_count": 0,
                "recent_actions": [],
                "blocked": blocked,
            });
            let text = describe(serde_json::from_str(&described.to_string()).expect("readable"));
            let state = text.lines().find(|line| line.starts_with("state")).expect("it is shown");
            state.split_whitespace().last().map(str::to_owned)
        };
        let report = json!({"code": "internal", "message": "it is damaged"});
        assert_eq!(shown(report.clone(), false).as_deref(), Some("blocked"));
        assert_eq!(shown(report, true).as_deref(), Some("blocked"));
        assert_eq!(shown(json!(null), true).as_deref(), Some("paused"));
        assert_eq!(shown(json!(null), false).as_deref(), Some("active"));
    }
}
