//! `dacapo queue show`

use std::time::SystemTime;

use anyhow::Result;
use dacapo_model::ids::QueueName;

use crate::args::ClientFlags;
use crate::client::wire::{Backlog, FullKey, HeldUp, TaskLease, TaskQueueDescription, Worker};
use crate::exit::Exit;
use crate::output;
use crate::times::{age, coarse, soon, wall_clock};

/// What the names of fields and the room after them take of a line.
const NAMES_WIDTH: usize = 9;

/// Shows what waits in a task queue by priority, which workers have polled it in the last
/// five minutes, and what they have in hand.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo queue show emails
  dacapo queue show emails --output json | jq .leases[].worker

Every name is a queue: one that nobody has used is empty. In a terminal, long names
are cut to its width; a pipe or a file gets all of them.")]
pub struct ShowArgs {
    /// Name of the queue.
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ShowArgs) -> Result<Exit> {
    let answer = args.client.client()?.show_queue(args.queue.as_str()).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let queue: TaskQueueDescription = answer.read()?;
    output::line(&describe(&queue, wall_clock(), output::columns()))?;
    if let Some(hint) = hint(&queue, wall_clock()) {
        output::note(&hint);
    }
    Ok(Exit::Success)
}

/// What somebody who looks at the queue should know.
fn hint(queue: &TaskQueueDescription, now: SystemTime) -> Option<String> {
    let waits = queue.ready() + queue.delayed > 0;
    let held_up = queue.held_up(now).filter(|why| waits || *why == HeldUp::Drained)?;
    Some(held_up.sentence(&output::printable(&queue.name)))
}

fn describe(queue: &TaskQueueDescription, now: SystemTime, columns: Option<usize>) -> String {
    let in_hand = match queue.leases.len() {
        shown if (shown as u64) < queue.in_hand && shown > 0 => {
            format!("{}, of which {shown} are shown", queue.in_hand)
        }
        _ => queue.in_hand.to_string(),
    };
    let limits = queue.limits.told();
    let mut fields = vec![
        ("queue", queue.name.clone()),
        ("ready", queue.ready().to_string()),
        ("delayed", queue.delayed.to_string()),
        ("in hand", in_hand),
        ("workers", queue.workers.len().to_string()),
    ];
    if !limits.is_empty() {
        fields.push(("limits", limits.join("\n")));
    }
    fields.extend(queue.room.map(|room| ("room", format!("{room} more now"))));
    if !queue.full_keys.is_empty() {
        let keys = queue.full_keys.iter().map(|FullKey { key, in_hand }| {
            format!("{}: {in_hand} in hand", output::without_middle(key, usize::MAX))
        });
        fields.push(("full", keys.collect::<Vec<_>>().join("\n")));
    }
    if !queue.workers.is_empty() {
        let types = queue.offered_types.as_ref().map_or("all".to_owned(), |it| it.join(", "));
        let length = columns.map_or(usize::MAX, |columns| columns.saturating_sub(NAMES_WIDTH));
        fields.push(("types", output::without_middle(&types, length)));
    }
    fields.push(("pace", pace(queue)));
    let tables = [
        backlog(&queue.backlog, now),
        workers(&queue.workers, now, columns),
        leases(&queue.leases, now, columns),
    ];
    let parts = std::iter::once(output::fields(&fields)).chain(tables.into_iter().flatten());
    parts.collect::<Vec<_>>().join("\n\n")
}

fn pace(queue: &TaskQueueDescription) -> String {
    let TaskQueueDescription { added_last_minute, handed_out_last_minute, .. } = queue;
    format!("{added_last_minute} came and {handed_out_last_minute} were handed out in a minute")
}

fn backlog(backlog: &[Backlog], now: SystemTime) -> Option<String> {
    let row = |backlog: &Backlog| {
        let Backlog { priority, tasks, oldest_since } = backlog;
        let oldest = age(oldest_since, now).map(coarse).unwrap_or_default();
        [priority.to_string(), tasks.to_string(), oldest]
    };
    shown(["PRIORITY", "READY", "OLDEST"], backlog.iter().map(row), &[], None)
}

fn workers(workers: &[Worker], now: SystemTime, columns: Option<usize>) -> Option<String> {
    let row = |worker: &Worker| {
        let Worker { identity, build_id, last_poll_at } = worker;
        let ago = age(last_poll_at, now).map(|age| format!("{} ago", coarse(age)));
        [identity.clone(), build_id.clone().unwrap_or_default(), ago.unwrap_or_default()]
    };
    shown(["WORKER", "BUILD", "LAST POLL"], workers.iter().map(row), &[0, 1], columns)
}

fn leases(leases: &[TaskLease], now: SystemTime, columns: Option<usize>) -> Option<String> {
    let row = |lease: &TaskLease| {
        [
            lease.activity_type.clone(),
            lease.worker.clone(),
            lease.attempt.to_string(),
            age(&lease.started_at, now).map(coarse).unwrap_or_default(),
            soon(&lease.lease_until, now),
            lease.workflow_id.clone().unwrap_or_default(),
            lease.run_id.clone(),
        ]
    };
    let header = ["ACTIVITY", "HELD BY", "ATTEMPT", "SINCE", "LEASE ENDS", "WORKFLOW ID", "RUN ID"];
    shown(header, leases.iter().map(row), &[0, 1, 5], columns)
}

/// A table, if there is anything in it; those places of its rows are names that people chose.
fn shown<const N: usize>(
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    chosen: &[usize],
    columns: Option<usize>,
) -> Option<String> {
    let mut rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return None;
    }
    for at in chosen {
        rows.iter_mut().for_each(|row| row[*at] = output::without_middle(&row[*at], usize::MAX));
    }
    if let Some(columns) = columns {
        output::fit(&header, &mut rows, chosen, columns);
    }
    Some(output::table(header, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        humantime::parse_rfc3339("2026-11-29T12:00:00Z").expect("a time")
    }

    fn queue(more: &str) -> TaskQueueDescription {
        serde_json::from_str(&format!(r#"{{"name": "emails", {more}}}"#)).expect("valid")
    }

    fn busy(worker: &str) -> TaskQueueDescription {
        queue(&format!(
            r#""backlog": [{{"priority": 3, "tasks": 2, "oldest_since": "2026-11-29T11:59:00Z"}}],
               "delayed": 1, "in_hand": 300,
               "workers": [{{"identity": "{worker}", "build_id": "v7",
                             "last_poll_at": "2026-11-29T11:59:58Z"}}],
               "added_last_minute": 120, "handed_out_last_minute": 118,
               "offered_types": ["send", "print"],
               "leases": [{{"workflow_id": "order-17", "run_id": "019c0000-0000-7000-8000-0123456789ab",
                            "scheduled_event_id": 2, "activity_type": "send",
                            "worker": "{worker}", "attempt": 1, "lease_epoch": 1,
                            "started_at": "2026-11-29T11:59:50Z",
                            "lease_until": "2026-11-29T12:00:20Z"}}]"#
        ))
    }

    #[test]
    fn a_queue_is_shown_with_its_workers_and_what_they_have() {
        let text = describe(&busy("mailer-1"), now(), None);
        let expected = "\
queue    emails
ready    2
delayed  1
in hand  300, of which 1 are shown
workers  1
types    send, print
pace     120 came and 118 were handed out in a minute

PRIORITY  READY  OLDEST
3         2      60s

WORKER    BUILD  LAST POLL
mailer-1  v7     2s ago

ACTIVITY  HELD BY   ATTEMPT  SINCE  LEASE ENDS  WORKFLOW ID  RUN ID
send      mailer-1  1        10s    in 20s      order-17     019c0000-0000-7000-8000-0123456789ab";
        assert_eq!(text, expected);
        assert_eq!(hint(&busy("mailer-1"), now()), None);
    }

    #[test]
    fn a_queue_fits_the_terminal_whatever_workers_call_themselves() {
        let text = describe(&busy(&"x".repeat(200)), now(), Some(100));
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(describe(&busy(&"x".repeat(200)), now(), None).contains(&"x".repeat(200)));
    }

    #[test]
    fn a_queue_is_shown_with_what_is_set_of_it() {
        let limits = r#""limits": {"concurrency": 5,
                                   "rate_per_key": {"per_second": 0.5, "burst": 2}},
            "room": 0, "full_keys": [{"key": "ann", "in_hand": 3}]"#;
        let rest = r#""backlog": [], "delayed": 1, "workers": [], "leases": []"#;
        let full = queue(&format!(r#"{limits}, "in_hand": 5, {rest}"#));
        let text = describe(&full, now(), None);
        let expected = "\
limits   5 tasks at a time
         0.5 tasks of a key per second, 2 at once
room     0 more now
full     ann: 3 in hand";
        assert!(text.contains(expected), "{text}");
        let told = hint(&full, now()).expect("a hint");
        assert_eq!(told, "`emails` is at its limit: 5 of its tasks are in hand");
        let drained = queue(&format!(r#""drained": true, "in_hand": 5, {rest}"#));
        let told = hint(&drained, now()).expect("a hint");
        assert!(told.starts_with("`emails` is drained"), "{told}");
    }

    #[test]
    fn who_looks_at_a_queue_is_told_what_no_worker_takes() {
        let unoffered = queue(
            r#""backlog": [{"priority": 3, "tasks": 2, "oldest_since": "2026-11-29T11:59:00Z"}],
               "delayed": 0, "in_hand": 0, "leases": [], "offered_types": ["send"],
               "workers": [{"identity": "w", "last_poll_at": "2026-11-29T11:59:58Z"}],
               "unoffered_types": [{"activity_type": "resize", "tasks": 2}]"#,
        );
        let told = hint(&unoffered, now()).expect("a hint");
        assert_eq!(told, "no worker of `emails` takes activities of type resize");
    }

    #[test]
    fn who_looks_at_a_queue_that_nobody_polls_is_told_so() {
        let empty = r#""backlog": [], "in_hand": 0, "workers": [], "leases": []"#;
        let waiting = queue(&format!(r#""delayed": 1, {empty}"#));
        let hint = |queue: &TaskQueueDescription| hint(queue, now());
        let told = hint(&waiting).expect("a hint");
        assert_eq!(told, "no worker has polled `emails` in the last five minutes");
        let unused = queue(&format!(r#""delayed": 0, {empty}"#));
        assert_eq!(hint(&unused), None);
        // A server that was just started has seen nobody yet.
        let since = r#""delayed": 1, "watched_since": "2026-11-29T11:59:00Z""#;
        let told = hint(&queue(&format!("{since}, {empty}"))).expect("a hint");
        assert_eq!(told, "no worker has polled `emails` since the server was started 60s ago");
        assert_eq!(describe(&unused, now(), None).lines().count(), 6);
    }
}
