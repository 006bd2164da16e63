//! What somebody who waits for a run waits for, in one line.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::report::first_line;
use crate::client::wire::{Failure, HeldUp, PendingActivity, RunDescription};
use crate::output::brief;
use crate::times::soon;

/// Things that are told one by one.
const NAMED_MAX: usize = 3;

/// Characters of what went wrong in the last attempt.
const FAILURE_LENGTH: usize = 80;

/// Characters of the reason why a run is blocked.
const REASON_LENGTH: usize = 300;

/// `held_up`: task queues that hand out nothing, and why.
pub(super) fn awaited(
    run: &RunDescription,
    held_up: &BTreeMap<String, HeldUp>,
    now: SystemTime,
) -> String {
    if let Some(blocked) = &run.run.blocked {
        let (code, reason) = (&blocked.code, brief(&first_line(&blocked.message), REASON_LENGTH));
        return format!("it is blocked ({code}): {reason}; `dacapo run show` says more");
    }
    if let Some(time) = &run.delayed_until {
        return format!("its start, {}", soon(time, now));
    }
    let activities = run.pending_activities.iter().map(|it| activity(it, held_up, now));
    let timers = run.pending_timers.iter().map(|it| format!("a timer, {}", soon(&it.fire_at, now)));
    let children =
        run.pending_children.iter().map(|it| format!("{} {}", it.workflow_type, it.workflow_id));
    let externals =
        run.pending_externals.iter().map(|it| format!("an answer of {}", it.workflow_id));
    let mut things: Vec<_> = activities.chain(timers).chain(children).chain(externals).collect();
    let more = things.len().saturating_sub(NAMED_MAX);
    things.truncate(NAMED_MAX);
    if more > 0 {
        things.push(format!("{more} more"));
    }
    if things.is_empty() {
        return "nothing of its own: its code, a signal or an update".to_owned();
    }
    things.join("; ")
}

fn activity(
    activity: &PendingActivity,
    held_up: &BTreeMap<String, HeldUp>,
    now: SystemTime,
) -> String {
    let name = &activity.activity_type;
    let attempt = activity.attempt;
    let state = match &activity.next_attempt_at {
        _ if activity.paused => "is paused".to_owned(),
        _ if activity.asynchronous => "is open outside".to_owned(),
        Some(time) => format!("tries again {}", soon(time, now)),
        None => match (&activity.lease, &activity.task_queue) {
            (Some(lease), _) => format!("is at worker {}", lease.worker),
            (None, Some(queue)) => {
                match held_up.get(&queue.name).filter(|why| why.concerns(name)) {
                    Some(why) => format!("in task queue {}, {}", queue.name, why.clause()),
                    None => format!("in task queue {}", queue.name),
                }
            }
            (None, None) => "runs".to_owned(),
        },
    };
    let failure = activity.last_failure.as_ref().map(Failure::sentence);
    let failure = failure.map(|it| format!(" after {}", brief(&it, FAILURE_LENGTH)));
    format!("activity {name}, attempt {attempt}, {state}{}", failure.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(more: &str) -> String {
        let text = format!(
            r#"{{"workflow_id": "w", "run_id": "r", "workflow_type": "t", "status": "running",
                "started_at": "2026-11-28T12:00:00Z", "module_digest": "", "history_length": 3,
                "cancel_requested": false, {more}}}"#
        );
        let now = humantime::parse_rfc3339("2026-11-28T12:00:00Z").expect("a time");
        let held_up = BTreeMap::from([
            ("letters".to_owned(), HeldUp::Unpolled),
            ("parcels".to_owned(), HeldUp::Drained),
            ("images".to_owned(), HeldUp::NotOffered(vec!["resize".to_owned()])),
        ]);
        awaited(&serde_json::from_str(&text).expect("valid"), &held_up, now)
    }

    #[test]
    fn it_is_told_what_the_run_has_under_way() {
        let activity = r#"{"scheduled_event_id": 2, "operation_id": 1, "activity_type": "charge",
            "attempt": 2, "paused": false, "cancel_requested": false, "asynchronous": false,
            "next_attempt_at": "2026-11-28T12:00:07Z",
            "last_failure": {"type": "Declined", "message": "no funds"}}"#;
        let timer = r#"{"started_event_id": 5, "fire_at": "2026-11-29T12:00:00Z"}"#;
        let one =
            told(&format!(r#""pending_activities": [{activity}], "pending_timers": [{timer}]"#));
        let charge = "activity charge, attempt 2, tries again in 7s after Declined: no funds";
        assert_eq!(one, format!("{charge}; a timer, in 24h"));
        let many = told(&format!(
            r#""pending_activities": [{}], "pending_timers": []"#,
            [activity; 50].join(",")
        ));
        assert!(many.ends_with(&format!("{charge}; 47 more")), "{many}");
    }

    #[test]
    fn an_activity_of_a_task_queue_is_told_with_its_queue() {
        let of = |queue: &str| {
            let activity = format!(
                r#"{{"scheduled_event_id": 2, "operation_id": 1, "activity_type": "send",
                    "attempt": 1, "task_queue": {{"name": "{queue}", "priority": 3}}}}"#
            );
            told(&format!(r#""pending_activities": [{activity}], "pending_timers": []"#))
        };
        assert_eq!(of("emails"), "activity send, attempt 1, in task queue emails");
        assert!(of("letters").ends_with("in task queue letters, which no worker polls"));
        assert_eq!(of("images"), "activity send, attempt 1, in task queue images");
        assert!(of("parcels").ends_with("in task queue parcels, which is drained"));
    }

    #[test]
    fn a_blocked_run_is_told_with_its_reason() {
        let blocked = r#""blocked": {"code": "guest_trap", "message": "it trapped\nat 0x7"}"#;
        let text = told(&format!(r#"{blocked}, "pending_activities": [], "pending_timers": []"#));
        let expected = "it is blocked (guest_trap): it trapped; `dacapo run show` says more";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_run_without_anything_under_way_waits_for_others() {
        let text = told(r#""pending_activities": [], "pending_timers": []"#);
        assert!(text.contains("a signal or an update"), "{text}");
    }
}
