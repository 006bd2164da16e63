//! `dacapo run show`

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::held_up::{awaited_queues, held_up, held_up_fields};
use super::report_fields;
use super::signals_left::{signal_fields, signals_left};
use crate::args::{ClientFlags, RunFlags};
use crate::client::wire::{
    Failure, HeldUp, PendingActivity, RunDescription, RunResult, SignalsReport,
};
use crate::client::{Client, RunAddress};
use crate::exit::Exit;
use crate::output;

/// Bytes of a result that are shown.
const RESULT_BYTES_MAX: usize = 1_000;

/// Shows where a run stands, what it waits for, how it ended and, if it is blocked, why.
/// Also the signals that nobody has taken.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo run show order-17")]
pub struct ShowArgs {
    #[command(flatten)]
    run: RunFlags,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ShowArgs) -> Result<Exit> {
    let client = args.client.client()?;
    let answer = client.show_run(&args.run.address()).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
    } else {
        let description: RunDescription = answer.read()?;
        let more = look_closer(&client, &description).await;
        output::line(&describe(description, more))?;
    }
    Ok(Exit::Success)
}

/// What is told of a run besides its description, as far as it can be had.
#[derive(Default)]
struct More {
    ending: Option<RunResult>,
    signals: SignalsReport,
    /// Task queues that hand out nothing, and why.
    held_up: BTreeMap<String, HeldUp>,
}

async fn look_closer(client: &Client, description: &RunDescription) -> More {
    let run = &description.run;
    let (workflow_id, run_id) = (run.workflow_id.clone(), Some(run.run_id.clone()));
    let address = RunAddress { workflow_id, run_id };
    let signals = match run.status.as_str() {
        "blocked" => None,
        _ => signals_left(client, &address).await,
    };
    let ending = match run.closed_at {
        Some(_) => client.run_result(&address, Duration::ZERO, false).await.ok(),
        None => None,
    };
    let ending = ending.and_then(|answer| answer.read().ok());
    let held_up = held_up(client, awaited_queues(&description.pending_activities)).await;
    More { ending, signals: signals.unwrap_or_default(), held_up }
}

/// What ended a run.
pub(in crate::commands) fn ending_fields(ending: RunResult) -> Vec<(&'static str, String)> {
    let result = ending.result.map(|result| ("result", shortened(result.get())));
    let encoded = ending.result_base64.map(|text| ("result", shortened(&text) + " (base64)"));
    let failure = ending.failure.map(|failure| ("failure", failure.sentence()));
    let reason = ending.reason.filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| ("reason", reason));
    let next = ending.new_run_id.map(|run_id| ("goes on as", run_id));
    [result, encoded, failure, reason, next].into_iter().flatten().collect()
}

/// Enough of a result to know it by.
fn shortened(text: &str) -> String {
    match text.len() {
        0..=RESULT_BYTES_MAX => text.to_owned(),
        bytes => {
            let shown = &text[..text.floor_char_boundary(RESULT_BYTES_MAX)];
            format!("{shown} ... ({bytes} bytes; `dacapo run result` prints all of it)")
        }
    }
}

fn describe(description: RunDescription, more: More) -> String {
    let run = description.run;
    let mut fields = vec![
        ("workflow id", run.workflow_id),
        ("run id", run.run_id),
        ("type", run.workflow_type),
        ("module", description.module_digest),
        ("status", run.status),
    ];
    let delayed = description.execution_time.filter(|time| *time != run.started_at);
    fields.push(("started", run.started_at));
    // Until then it says so below.
    let delayed = delayed.filter(|_| description.delayed_until.is_none());
    fields.extend(delayed.map(|time| ("could run", time)));
    fields.extend(run.closed_at.map(|time| ("closed", time)));
    fields.extend(more.ending.into_iter().flat_map(ending_fields));
    if let Some(parent) = run.parent {
        let root = format!("{} ({})", parent.root_workflow_id, parent.root_run_id);
        let is_root = parent.root_run_id == parent.run_id || parent.root_run_id.is_empty();
        fields.push(("parent", format!("{} ({})", parent.workflow_id, parent.run_id)));
        fields.extend((!is_root).then_some(("root", root)));
    }
    let bytes = description.history_bytes.map(|bytes| format!(" ({bytes} bytes)"));
    let length = format!("{}{}", description.history_length, bytes.unwrap_or_default());
    fields.push(("events", length));
    if description.cancel_requested {
        fields.push(("cancel", "requested".to_owned()));
    }
    if description.attempt > 1 {
        fields.push(("attempt", description.attempt.to_string()));
    }
    fields.extend(description.delayed_until.map(|time| ("delayed until", time)));
    fields.extend(description.times_out_at.map(|time| ("times out", time)));
    let memo = description.memo.into_iter().map(|(name, value)| format!("{name} {value}"));
    fields.extend(memo.map(|text| ("memo", text)));
    let said = |(name, value): (String, Value)| format!("{name} {value}");
    let searched = description.search_attributes.into_iter();
    let plain = |(name, value): (String, Value)| (name, value["value"].clone());
    fields.extend(searched.map(plain).map(said).map(|text| ("attribute", text)));
    fields.extend(description.tags.into_iter().map(|tag| ("tag", tag)));
    if !description.versions.is_empty() {
        let versions = description.versions.iter().map(|(id, version)| format!("{id} {version}"));
        fields.push(("versions", versions.collect::<Vec<_>>().join("\n")));
    }
    fields.extend(signal_fields(&more.signals));
    fields.extend(held_up_fields(&more.held_up));
    fields.extend(run.blocked.iter().flat_map(report_fields));
    let mut text = output::fields(&fields);

    let activities = description.pending_activities;
    if !activities.is_empty() {
        let rows = activities.into_iter().map(|activity| {
            let state = state(&activity);
            [
                activity.scheduled_event_id.to_string(),
                activity.operation_id.to_string(),
                activity.activity_type,
                state,
                activity.attempt.to_string(),
                activity.next_attempt_at.unwrap_or_else(|| {
                    let when = match (activity.paused, &activity.lease) {
                        (true, _) => "when unpaused",
                        (false, Some(_)) => "",
                        (false, None) => "now",
                    };
                    when.to_owned()
                }),
                activity.last_failure.as_ref().map(Failure::sentence).unwrap_or_default(),
            ]
        });
        text.push_str("\n\n");
        text.push_str(&output::table(
            ["EVENT", "OPERATION", "ACTIVITY", "STATE", "ATTEMPT", "DUE", "LAST FAILURE"],
            rows.collect(),
        ));
    }
    if !description.published.is_empty() {
        text.push_str("\n\n");
        let rows = description.published.into_iter().map(|name| [name]);
        text.push_str(&output::table(["PUBLISHED"], rows.collect()));
    }
    if !description.pending_updates.is_empty() {
        let rows = description.pending_updates.into_iter().map(|update| {
            let stage = if update.accepted { "accepted" } else { "admitted" };
            [update.update_id, stage.to_owned()]
        });
        text.push_str("\n\n");
        text.push_str(&output::table(["UPDATE", "STAGE"], rows.collect()));
    }
    let timers = description.pending_timers;
    if !timers.is_empty() {
        let rows =
            timers.into_iter().map(|timer| [timer.started_event_id.to_string(), timer.fire_at]);
        text.push_str("\n\n");
        text.push_str(&output::table(["EVENT", "TIMER FIRES"], rows.collect()));
    }
    let children = description.pending_children;
    if !children.is_empty() {
        let rows = children.into_iter().map(|child| {
            let state = match (child.started, child.cancel_requested) {
                (false, _) => "starting",
                (true, false) => "running",
                (true, true) => "asked to cancel",
            };
            [
                child.initiated_event_id.to_string(),
                child.workflow_type,
                child.workflow_id,
                state.to_owned(),
            ]
        });
        text.push_str("\n\n");
        text.push_str(&output::table(["EVENT", "CHILD", "WORKFLOW ID", "STATE"], rows.collect()));
    }
    let externals = description.pending_externals;
    if !externals.is_empty() {
        let rows = externals.into_iter().map(|request| {
            let what = match request.signal_name {
                Some(name) => format!("signal {name}"),
                None => "cancel".to_owned(),
            };
            [request.initiated_event_id.to_string(), what, request.workflow_id]
        });
        text.push_str("\n\n");
        text.push_str(&output::table(["EVENT", "REQUEST", "TO WORKFLOW ID"], rows.collect()));
    }
    text
}

/// What people should know of an activity besides its attempt.
fn state(activity: &PendingActivity) -> String {
    if let Some(lease) = &activity.lease {
        let asked = if activity.cancel_requested { "cancelling, " } else { "" };
        return format!("{asked}at worker {}", lease.worker);
    }
    let states = [
        (activity.paused, "paused"),
        (activity.cancel_requested, "cancelling"),
        (activity.asynchronous, "open outside"),
        (activity.next_attempt_at.is_some(), "waiting"),
        (activity.task_queue.is_some(), "queued"),
    ];
    let state = states.into_iter().find(|(is, _)| *is);
    state.map_or("running", |(_, state)| state).to_owned()
}
