//! `dacapo run waiting`

use anyhow::Result;

use super::frames::own_frames;
use super::held_up::{held_up, held_up_fields};
use super::report::report_fields;
use super::signals_left::signal_fields;
use crate::args::{ClientFlags, RunFlags};
use crate::client::wire::{Awaited, Blocked, RunDescription, RunWaiting};
use crate::exit::Exit;
use crate::output;

/// Shows what a run waits for, where in its code, and which signals nobody has taken.
/// The server replays the history of the run for it; the run is not disturbed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo run waiting order-17")]
pub struct WaitingArgs {
    #[command(flatten)]
    run: RunFlags,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: WaitingArgs) -> Result<Exit> {
    let (client, run) = (args.client.client()?, args.run.address());
    let answer = client.run_waiting(&run).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let waiting: RunWaiting = answer.read()?;
    let blocked = match waiting.status.as_str() {
        "blocked" => client.show_run(&run).await?.read::<RunDescription>()?.run.blocked,
        _ => None,
    };
    let awaited = waiting.waits.iter().chain(&waiting.waiting_for);
    let queued = awaited.filter_map(|it| {
        Some((it.task_queue.as_ref()?, it.activity_type.as_deref().unwrap_or_default()))
    });
    let held_up = held_up(&client, queued).await;
    let mut fields = fields(waiting, blocked.as_ref());
    fields.extend(held_up_fields(&held_up));
    output::line(&output::fields(&fields))?;
    Ok(Exit::Success)
}

fn fields(waiting: RunWaiting, blocked: Option<&Blocked>) -> Vec<(&'static str, String)> {
    let mut fields = vec![("status", waiting.status)];
    if let Some(blocked) = blocked {
        fields.extend(report_fields(blocked));
        fields.extend(signal_fields(&waiting.signals));
        return fields;
    }
    if waiting.waits.is_empty() {
        // Of a server that does not tell more, too.
        fields.extend(waiting.waiting_for.map(|awaited| ("waits for", describe(awaited))));
    }
    fields.extend(waiting.waits.into_iter().map(|awaited| ("waits for", describe(awaited))));
    if waiting.more_waits > 0 {
        fields.push(("", format!("and for {} more", waiting.more_waits)));
    }
    fields.extend(signal_fields(&waiting.signals));
    // Those of the SDK say nothing about where it waits.
    let frames = waiting.backtrace.as_deref().and_then(own_frames);
    fields.extend(frames.map(|frames| ("backtrace", frames)));
    fields
}

fn describe(awaited: Awaited) -> String {
    let location = awaited.location.clone().map(|at| format!(", {at}")).unwrap_or_default();
    format!("{}{location}", what(awaited))
}

fn what(awaited: Awaited) -> String {
    let operation = awaited.operation_id.map(|id| format!(" (operation {id})")).unwrap_or_default();
    let id = awaited.workflow_id.unwrap_or_default();
    match awaited.kind.as_str() {
        "next" => "a signal, an update or a query: nothing else is under way".to_owned(),
        "activity" => {
            let (activity, attempt) = (awaited.activity_type, awaited.attempt.unwrap_or(1));
            let queue = awaited.task_queue.map(|it| format!(", in task queue {}", it.name));
            let (activity, queue) = (activity.unwrap_or_default(), queue.unwrap_or_default());
            format!("activity {activity}, attempt {attempt}{queue}{operation}")
        }
        "timer" => {
            format!("a timer that fires at {}{operation}", awaited.fire_at.unwrap_or_default())
        }
        "child" => {
            let step = if awaited.started { "the end" } else { "the start" };
            let workflow = awaited.workflow_type.unwrap_or_default();
            format!("{step} of child {workflow}, workflow id {id}{operation}")
        }
        "external" => match awaited.signal_name {
            Some(name) => format!("signal {name} to be recorded by {id}{operation}"),
            None => format!("the request to cancel to be recorded by {id}{operation}"),
        },
        "other" => match awaited.what.as_deref() {
            Some("cancellation") => "a request to cancel".to_owned(),
            Some("condition") => "a condition of its own code to hold".to_owned(),
            Some("updates") => "its updates to be answered".to_owned(),
            other => other.unwrap_or("something else").to_owned(),
        },
        kind => match awaited.signal_name.or(awaited.reason) {
            Some(what) => format!("{kind} {what}"),
            None => format!("{kind}{operation}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_told_in_words() {
        let read = |text: &str| describe(serde_json::from_str(text).expect("valid"));
        let activity =
            r#"{"kind": "activity", "operation_id": 3, "activity_type": "charge", "attempt": 2}"#;
        assert_eq!(read(activity), "activity charge, attempt 2 (operation 3)");
        let timer = r#"{"kind": "timer", "operation_id": 1, "fire_at": "2026-01-01T00:00:00Z"}"#;
        assert_eq!(read(timer), "a timer that fires at 2026-01-01T00:00:00Z (operation 1)");
        let signal = r#"{"kind": "signal", "signal_name": "go", "location": "src/lib.rs:7:9"}"#;
        assert_eq!(read(signal), "signal go, src/lib.rs:7:9");
        assert_eq!(read(r#"{"kind": "operation", "operation_id": 1}"#), "operation (operation 1)");
        let child = r#"{"kind": "child", "operation_id": 2, "workflow_type": "ship",
            "workflow_id": "s-1", "started": true}"#;
        assert_eq!(read(child), "the end of child ship, workflow id s-1 (operation 2)");
        let told = r#"{"kind": "external", "operation_id": 4, "workflow_id": "o-2",
            "signal_name": "paid"}"#;
        assert_eq!(read(told), "signal paid to be recorded by o-2 (operation 4)");
        let condition = r#"{"kind": "other", "what": "condition"}"#;
        assert_eq!(read(condition), "a condition of its own code to hold");
        assert_eq!(read(r#"{"kind": "other", "what": "lock"}"#), "lock");
    }

    #[test]
    fn each_wait_has_a_line_and_signals_that_nobody_took_are_told() {
        let waiting = r#"{"status": "running", "waiting_for": {"kind": "next"},
            "waits": [{"kind": "signal", "signal_name": "approved", "location": "src/lib.rs:7:9"}],
            "more_waits": 2,
            "untaken_signals": [{"name": "aproved", "count": 1}],
            "invalid_signals": [{"name": "price", "count": 2, "problem": "not a number"}]}"#;
        let fields = fields(serde_json::from_str(waiting).expect("valid"), None);
        let text = output::fields(&fields);
        let expected = "\
status     running
waits for  signal approved, src/lib.rs:7:9
           and for 2 more
untaken    aproved: 1 signal that nobody has taken
invalid    price: 2 signals that were set aside; the last: not a number";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_blocked_run_says_why_it_waits_for_nothing() {
        let waiting = serde_json::from_str(r#"{"status": "blocked"}"#).expect("valid");
        let blocked = r#"{"code": "guest_trap", "message": "it trapped"}"#;
        let blocked = serde_json::from_str(blocked).expect("valid");
        let fields = fields(waiting, Some(&blocked));
        let text = output::fields(&fields);
        assert_eq!(text, "status   blocked\nblocked  it trapped (guest_trap)");
    }
}
