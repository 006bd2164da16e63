//! Why a run's code can't go on, for people.

use super::frames::shown_frames;
use crate::client::wire::Blocked;

/// Names and values, to be shown one below the other.
pub(crate) fn report_fields(blocked: &Blocked) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    match &blocked.nondeterminism {
        None => fields.push(("blocked", format!("{} ({})", blocked.message, blocked.code))),
        Some(report) => {
            fields.push(("blocked", format!("code and history part ({})", blocked.code)));
            fields.push(("at event", report.event_id.to_string()));
            fields.push(("history has", report.recorded.clone()));
            fields.push(("the code", report.attempted.clone()));
            fields.extend(report.pinned_module.clone().map(|digest| ("pinned to", digest)));
            fields.extend(report.replayed_module.clone().map(|digest| ("replayed with", digest)));
        }
    }
    let frames = blocked.backtrace.as_deref().map(shown_frames);
    fields.extend(frames.map(|frames| ("backtrace", frames)));
    fields
}

/// What a message says first, in one line. A panic says where on a line of its own, and
/// on the next one what.
pub(super) fn first_line(message: &str) -> String {
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    match lines.next() {
        Some(next) if first.ends_with(':') => format!("{first} {next}"),
        _ => first.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_panic_says_where_and_what() {
        let panic = "it trapped: thread '<unnamed>' panicked at src/lib.rs:7:5:\nno price\nnote: x";
        let line = "it trapped: thread '<unnamed>' panicked at src/lib.rs:7:5: no price";
        assert_eq!(first_line(panic), line);
        assert_eq!((first_line("one\ntwo"), first_line("")), ("one".to_owned(), String::new()));
    }

    #[test]
    fn a_report_of_nondeterminism_tells_both_sides() {
        let blocked: Blocked = serde_json::from_str(
            r#"{"code": "nondeterminism", "message": "event 5: ...", "backtrace": "a\nb",
                "nondeterminism": {"event_id": 5, "recorded": "TimerStarted",
                    "attempted": "started activity `charge`", "pinned_module": "aa"}}"#,
        )
        .expect("valid");
        let fields = report_fields(&blocked);
        let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
        let expected = ["blocked", "at event", "history has", "the code", "pinned to", "backtrace"];
        assert_eq!(names, expected);
        assert_eq!(fields[3].1, "started activity `charge`");
    }
}
