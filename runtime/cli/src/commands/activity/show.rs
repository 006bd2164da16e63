//! `dacapo activity show`

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::ActivityFlags;
use crate::args::ClientFlags;
use crate::client::wire::{ActivityDescription, Failure, HeldUp, RunResult};
use crate::commands::run::held_up::{held_up, held_up_fields};
use crate::commands::run::report_fields;
use crate::commands::run::show::ending_fields;
use crate::exit::Exit;
use crate::output;

/// Shows where an activity without a workflow stands: its attempts, the worker that has it,
/// what it has said, and how it ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo activity show welcome-17")]
pub struct ShowArgs {
    #[command(flatten)]
    activity: ActivityFlags,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ShowArgs) -> Result<Exit> {
    let client = args.client.client()?;
    let mut address = args.activity.address();
    let answer = client.show_activity(&address).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let described: ActivityDescription = answer.read()?;
    address.run_id = Some(described.activity.run_id.clone());
    let ending = match described.activity.closed_at {
        Some(_) => client.activity_result(&address, Duration::ZERO).await.ok(),
        None => None,
    };
    let ending = ending.and_then(|answer| answer.read().ok());
    let queue = described.options.as_ref().and_then(|options| options.task_queue.as_ref());
    let waits = described.activity.closed_at.is_none() && described.lease.is_none();
    let activity_type = described.activity.activity_type.as_str();
    let awaited = queue.filter(|_| waits).map(|queue| (queue, activity_type));
    let held_up = held_up(&client, awaited.into_iter()).await;
    output::line(&describe(described, ending, &held_up))?;
    Ok(Exit::Success)
}

fn describe(
    described: ActivityDescription,
    ending: Option<RunResult>,
    held_up: &BTreeMap<String, HeldUp>,
) -> String {
    let activity = described.activity;
    let mut fields = vec![
        ("activity id", activity.activity_id),
        ("run id", activity.run_id),
        ("type", activity.activity_type),
    ];
    let queue = described.options.and_then(|options| options.task_queue);
    fields.extend(queue.map(|queue| ("queue", queue.name)));
    fields.push(("status", activity.status));
    fields.push(("started", activity.started_at));
    fields.extend(activity.closed_at.map(|time| ("closed", time)));
    fields.extend(ending.into_iter().flat_map(ending_fields));
    if described.cancel_requested {
        fields.push(("cancel", "requested".to_owned()));
    }
    if described.paused {
        fields.push(("paused", "no further attempt begins".to_owned()));
    }
    fields.extend(described.delayed_until.map(|time| ("delayed until", time)));
    fields.extend(described.attempt.map(|attempt| ("attempt", attempt.to_string())));
    fields.extend(described.next_attempt_at.map(|time| ("due", time)));
    fields.extend(described.lease.map(|lease| ("at worker", lease.worker)));
    fields.extend(described.last_failure.map(|it: Failure| ("last failure", it.sentence())));
    fields.extend(described.heartbeat_details.map(|it| ("heartbeat", it.get().to_owned())));
    let memo = activity.memo.into_iter().map(|(name, value)| format!("{name} {value}"));
    fields.extend(memo.map(|text| ("memo", text)));
    let said = |(name, value): (String, Value)| format!("{name} {}", value["value"]);
    fields.extend(activity.search_attributes.into_iter().map(said).map(|it| ("attribute", it)));
    fields.extend(activity.tags.into_iter().map(|tag| ("tag", tag)));
    fields.extend(held_up_fields(held_up));
    fields.extend(activity.blocked.iter().flat_map(report_fields));
    output::fields(&fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_activity_is_shown_with_its_attempts_and_its_worker() {
        let described = serde_json::from_str(
            r#"{"activity_id": "welcome-17", "run_id": "r", "activity_type": "send_email",
                "status": "running", "started_at": "t", "workflow_id": "w", "attempt": 2,
                "last_failure": {"type": "Bounced", "message": "no"}, "lease": {"worker": "ann"},
                "heartbeat_details": {"sent": 3}, "cancel_requested": false, "paused": false,
                "options": {"task_queue": {"name": "emails"}}}"#,
        );
        let text = describe(described.expect("valid"), None, &BTreeMap::new());
        for shown in ["welcome-17", "emails", "Bounced: no", "ann", r#"{"sent": 3}"#] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
    }
}
