//! Why a run's code can't go on, for people.

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
    fields.extend(blocked.backtrace.clone().map(|frames| ("backtrace", frames)));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

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
