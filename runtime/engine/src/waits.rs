//! What the code of a run waits for, as its SDK tells it.
//!
//! An SDK multiplexes many waits over `next`, and only it knows which they are. It
//! answers the query [`QUERY`] with a JSON object like
//!
//! ```json
//! {
//!   "waits": [
//!     {"kind": "operation", "operation": 3, "at": "src/lib.rs:17:20"},
//!     {"kind": "signal", "signal": "approved", "at": "src/lib.rs:21:9"},
//!     {"kind": "condition", "at": "src/lib.rs:30:5"}
//!   ],
//!   "more": 0,
//!   "untaken_signals": [{"name": "aproved", "count": 2}],
//!   "invalid_signals": [{"name": "price", "count": 1, "problem": "..."}]
//! }
//! ```
//!
//! A guest that answers with anything else is one that does not tell. Nothing depends
//! on it but what people are shown.

use dacapo_model::payload::Payload;
use serde::Deserialize;

/// The name of the query.
pub const QUERY: &str = "__dacapo_waits";

/// Entries that are kept of each list.
const ENTRIES_MAX: usize = 200;

/// Bytes that are kept of each text.
const TEXT_BYTES_MAX: usize = 512;

/// What a guest says about its waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct WaitsReport {
    /// What its code waits for.
    pub waits: Vec<ReportedWait>,
    /// How many more there are.
    #[serde(default)]
    pub more: u64,
    /// Signals that nobody has taken.
    #[serde(default)]
    pub untaken_signals: Vec<ReportedSignal>,
    /// Signals that were set aside, since they say something else than was expected.
    #[serde(default)]
    pub invalid_signals: Vec<ReportedSignal>,
}

/// One wait.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReportedWait {
    /// What for: `operation`, `signal`, or a kind of the SDK's own, such as
    /// `condition`.
    pub kind: String,
    /// The operation, of that kind.
    #[serde(default)]
    pub operation: Option<u32>,
    /// The name of the signal, of that kind.
    #[serde(default)]
    pub signal: Option<String>,
    /// Where in the code.
    #[serde(default)]
    pub at: Option<String>,
}

/// Signals of one name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReportedSignal {
    /// The name.
    pub name: String,
    /// How many.
    pub count: u64,
    /// What is wrong with the last of them.
    #[serde(default)]
    pub problem: Option<String>,
}

impl WaitsReport {
    /// What a guest has answered, as far as anybody wants to read it.
    pub fn read(answer: &Payload) -> Option<Self> {
        let mut report: Self = serde_json::from_slice(answer.as_bytes()).ok()?;
        report.more += report.waits.len().saturating_sub(ENTRIES_MAX) as u64;
        report.waits.truncate(ENTRIES_MAX);
        report.untaken_signals.truncate(ENTRIES_MAX);
        report.invalid_signals.truncate(ENTRIES_MAX);
        for wait in &mut report.waits {
            let texts = [Some(&mut wait.kind), wait.signal.as_mut(), wait.at.as_mut()];
            texts.into_iter().flatten().for_each(cut);
        }
        for signal in report.untaken_signals.iter_mut().chain(&mut report.invalid_signals) {
            [Some(&mut signal.name), signal.problem.as_mut()].into_iter().flatten().for_each(cut);
        }
        Some(report)
    }
}

/// Texts come from guests, and are shown in terminals.
fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    if text.contains(char::is_control) {
        *text = text.chars().filter(|character| !character.is_control()).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: String) -> Option<WaitsReport> {
        WaitsReport::read(&Payload::from(text.into_bytes()))
    }

    #[test]
    fn what_a_guest_tells_is_read_and_anything_else_is_not() {
        let report = read(
            r#"{"waits": [{"kind": "operation", "operation": 3, "at": "a.rs:1:2"}, {"kind": "x"}],
                "untaken_signals": [{"name": "go", "count": 2}], "later": 1}"#
                .to_owned(),
        );
        let report = report.expect("it is a report");
        assert_eq!((report.waits.len(), report.waits[0].operation), (2, Some(3)));
        assert_eq!(report.untaken_signals[0].count, 2);
        for other in ["", "null", "17", "[]", r#"{"waits": 1}"#] {
            assert_eq!(read(other.to_owned()), None, "{other}");
        }
    }

    #[test]
    fn a_guest_that_tells_too_much_is_cut_short() {
        let wait = format!(r#"{{"kind": "signal", "signal": "{}\u001b"}}"#, "x".repeat(10_000));
        let waits = vec![wait; ENTRIES_MAX + 5].join(",");
        let report = read(format!(r#"{{"waits": [{waits}], "more": 1}}"#)).expect("a report");
        assert_eq!((report.waits.len(), report.more), (ENTRIES_MAX, 6));
        assert_eq!(report.waits[0].signal.as_ref().map(String::len), Some(TEXT_BYTES_MAX));
        let escape = read(r#"{"waits": [{"kind": "\u001b[2Jx"}]}"#.to_owned()).expect("a report");
        assert_eq!(escape.waits[0].kind, "[2Jx");
    }
}
