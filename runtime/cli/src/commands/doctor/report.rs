//! What was found, one line for each check.

use std::io;

use serde::Serialize;
use serde_json::json;

use crate::output::{self, OutputFormat, printable};

/// How it is with something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// A server works, but not as well, or not as safely, as it could.
    Warn,
    /// A server does not start, or may lose what it has acknowledged.
    Fail,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    check: &'static str,
    verdict: Verdict,
    found: String,
    /// What to change, where something is not as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<String>,
}

/// All lines, in the order of the checks.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Line>);

impl Report {
    pub(super) fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.0.push(Line { check, verdict: Verdict::Ok, found: found.into(), change: None });
    }

    pub(super) fn warn(
        &mut self,
        check: &'static str,
        found: impl Into<String>,
        change: impl Into<String>,
    ) {
        self.add(Verdict::Warn, check, found, change);
    }

    pub(super) fn fail(
        &mut self,
        check: &'static str,
        found: impl Into<String>,
        change: impl Into<String>,
    ) {
        self.add(Verdict::Fail, check, found, change);
    }

    fn add(
        &mut self,
        verdict: Verdict,
        check: &'static str,
        found: impl Into<String>,
        change: impl Into<String>,
    ) {
        self.0.push(Line { check, verdict, found: found.into(), change: Some(change.into()) });
    }

    pub(super) fn has_failed(&self) -> bool {
        self.count(Verdict::Fail) > 0
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().filter(|line| line.verdict == verdict).count()
    }

    #[cfg(test)]
    pub(super) fn verdicts(&self) -> Vec<&'static str> {
        self.0.iter().map(|line| line.verdict.word()).collect()
    }

    pub(super) fn write(&self, format: OutputFormat) -> io::Result<()> {
        output::line(&match format {
            OutputFormat::Text => self.text(),
            OutputFormat::Json => json!({
                "checks": self.0,
                "warned": self.count(Verdict::Warn),
                "failed": self.count(Verdict::Fail),
            })
            .to_string(),
        })
    }

    fn text(&self) -> String {
        let width = self.0.iter().map(|line| line.check.len()).max().unwrap_or_default();
        let lines = self.0.iter().map(|Line { check, verdict, found, change }| {
            let change = change.as_deref().map(|it| format!(". {it}")).unwrap_or_default();
            // What others have said is not to look like another line.
            let said = printable(&format!("{found}{change}")).replace('\n', " ");
            format!("{:4}  {check:width$}  {said}", verdict.word())
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_is_one_line_that_says_what_to_change() {
        let mut report = Report::default();
        report.ok("fsync", "on");
        assert!(!report.has_failed());
        report.warn("clock", "ahead\nby 2 s", "Set it");
        report.fail("x", "gone", "Bring it back");
        assert!(report.has_failed());
        let lines =
            "ok    fsync  on\nwarn  clock  ahead by 2 s. Set it\nfail  x      gone. Bring it back";
        assert_eq!(report.text(), lines);
    }
}
