//! Flags that say what a schedule does.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use dacapo_model::ids::{ModuleName, TypeName};
use serde_json::value::RawValue;

use crate::commands::run::input::json_text;
use crate::commands::run::options::{AttributeFlags, Fields, RetryFlags, given, json};
use crate::commands::run::start::ReusePolicy;

/// When, what and how.
#[derive(Debug, clap::Args)]
pub(super) struct DefinitionFlags {
    /// Type of the workflow that it starts.
    #[arg(value_name = "WORKFLOW")]
    workflow: TypeName,

    /// A cron expression: minute, hour, day of month, month, day of week. May be repeated.
    #[arg(long, value_name = "EXPRESSION", help_heading = "When")]
    cron: Vec<String>,

    /// Every so long, such as `90`, which is seconds, or `1h30m`, counted from 1970 on;
    /// `1h30m+5m` is 5 minutes later. May be repeated.
    #[arg(long, value_name = "DURATION", help_heading = "When", value_parser = parse_interval)]
    every: Vec<Box<RawValue>>,

    /// A calendar, as JSON: `{"hour": [{"start": 9, "end": 17}]}`. May be repeated.
    #[arg(long, value_name = "JSON", help_heading = "When", value_parser = parse_json)]
    calendar: Vec<Box<RawValue>>,

    /// Pass over what this cron expression matches. May be repeated.
    #[arg(long, value_name = "EXPRESSION", help_heading = "When")]
    exclude_cron: Vec<String>,

    /// Pass over what this calendar matches. May be repeated.
    #[arg(long, value_name = "JSON", help_heading = "When", value_parser = parse_json)]
    exclude_calendar: Vec<Box<RawValue>>,

    /// The time zone of crons and calendars, such as `Europe/Berlin` [default: UTC].
    #[arg(long, value_name = "NAME", help_heading = "When")]
    time_zone: Option<String>,

    /// Move each time by a part of so many seconds.
    #[arg(long, value_name = "SECONDS", help_heading = "When")]
    jitter: Option<u64>,

    /// Not before this time.
    #[arg(long, value_name = "TIME", help_heading = "When")]
    start_at: Option<String>,

    /// Not after this time.
    #[arg(long, value_name = "TIME", help_heading = "When")]
    end_at: Option<String>,

    /// The workflow's argument, as JSON.
    #[arg(long, value_name = "JSON", conflicts_with = "input_file")]
    input: Option<String>,

    /// A file that holds its argument; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    input_file: Option<PathBuf>,

    /// The workflow id of each run [default: {id}-{time}].
    #[arg(long, value_name = "TEMPLATE")]
    workflow_id: Option<String>,

    /// The module that defines the workflow, where several do.
    #[arg(long, value_name = "NAME")]
    module: Option<ModuleName>,

    /// If the latest run of the workflow id is closed [default: allow-duplicate].
    #[arg(long, value_enum, value_name = "POLICY")]
    reuse_policy: Option<ReusePolicy>,

    /// If a run that it started is open [default: skip].
    #[arg(long, value_enum, value_name = "POLICY")]
    overlap: Option<Overlap>,

    /// A time that is longer ago when the schedule comes to it is missed [default: a year].
    #[arg(long, value_name = "SECONDS")]
    catchup_window: Option<f64>,

    /// Pause it when a run that it started fails.
    #[arg(long)]
    pause_on_failure: bool,

    /// End a run if it takes longer than so many seconds.
    #[arg(long, value_name = "SECONDS", help_heading = "How it runs")]
    run_timeout: Option<f64>,

    /// End a run if it and those that follow it take longer together.
    #[arg(long, value_name = "SECONDS", help_heading = "How it runs")]
    execution_timeout: Option<f64>,

    #[command(flatten)]
    retry: RetryFlags,

    #[command(flatten)]
    attributes: AttributeFlags,
}

/// What happens if it is due while a run that it started is open.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Overlap {
    /// The time is skipped.
    Skip,
    /// One waits for the end of that run.
    BufferOne,
    /// All wait, up to 1,000.
    BufferAll,
    /// That run is asked to cancel, and the next waits for its end.
    CancelOther,
    /// That run is terminated, and the next waits for its end.
    TerminateOther,
    /// The next is started at once.
    AllowAll,
}

impl Overlap {
    pub(super) fn wire_name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::BufferOne => "buffer_one",
            Self::BufferAll => "buffer_all",
            Self::CancelOther => "cancel_other",
            Self::TerminateOther => "terminate_other",
            Self::AllowAll => "allow_all",
        }
    }
}

impl DefinitionFlags {
    /// The fields of a request.
    pub(super) fn into_fields(self) -> Result<Fields> {
        let spec = given([
            ("crons", list(self.cron)),
            ("intervals", list(self.every)),
            ("calendars", list(self.calendar)),
            ("exclude_crons", list(self.exclude_cron)),
            ("exclude_calendars", list(self.exclude_calendar)),
            ("time_zone", json(self.time_zone)),
            ("jitter_seconds", json(self.jitter)),
            ("start_at", json(self.start_at)),
            ("end_at", json(self.end_at)),
        ]);
        let mut options = given([
            ("module", json(self.module.map(String::from))),
            ("id_reuse_policy", json(self.reuse_policy.map(ReusePolicy::wire_name))),
            ("run_timeout_seconds", json(self.run_timeout)),
            ("execution_timeout_seconds", json(self.execution_timeout)),
            ("retry_policy", self.retry.into_field()),
        ]);
        options.extend(self.attributes.into_fields());
        let action = given([
            ("workflow", json(Some(self.workflow.as_str()))),
            ("workflow_id", json(self.workflow_id)),
            ("input", json_text("--input", self.input, self.input_file.as_deref())?),
            ("options", json(Some(options))),
        ]);
        let policies = given([
            ("overlap", json(self.overlap.map(Overlap::wire_name))),
            ("catchup_window_seconds", json(self.catchup_window)),
            ("pause_on_failure", json(self.pause_on_failure.then_some(true))),
        ]);
        Ok(given([
            ("spec", json(Some(spec))),
            ("action", json(Some(action))),
            ("policies", json(Some(policies))),
        ]))
    }
}

fn list<T: serde::Serialize>(items: Vec<T>) -> Option<Box<RawValue>> {
    json((!items.is_empty()).then_some(items))
}

fn parse_json(text: &str) -> Result<Box<RawValue>, String> {
    RawValue::from_string(text.to_owned()).map_err(|error| format!("it is not JSON: {error}"))
}

fn parse_interval(text: &str) -> Result<Box<RawValue>, String> {
    let (every, phase) = text.split_once('+').unwrap_or((text, "0"));
    let (every, phase) = (parse_seconds(every)?, parse_seconds(phase)?);
    parse_json(&format!(r#"{{"every_seconds": {every}, "phase_seconds": {phase}}}"#))
}

fn parse_seconds(text: &str) -> Result<u64, String> {
    let duration = match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    };
    let whole = duration.filter(|duration| duration.subsec_nanos() == 0);
    whole.map(|duration| duration.as_secs()).ok_or_else(|| {
        format!(
            "`{text}` is not a number of whole seconds: write `90`, or a duration such as `10s`, \
             `5m` or `1h30m`. `1h+5m` is each hour, 5 minutes later"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_may_have_a_phase() {
        let text = |text| parse_interval(text).map(|it| it.get().to_owned());
        let every_hour = r#"{"every_seconds": 3600, "phase_seconds": 0}"#;
        for an_hour in ["3600", "1h", "59m 60s"] {
            assert_eq!(text(an_hour).as_deref(), Ok(every_hour), "{an_hour}");
        }
        let later = r#"{"every_seconds": 5400, "phase_seconds": 5}"#;
        for delayed in ["5400+5", "1h30m+5s"] {
            assert_eq!(text(delayed).as_deref(), Ok(later), "{delayed}");
        }
    }

    #[test]
    fn an_interval_that_is_none_is_told_what_one_looks_like() {
        for wrong in ["", "often", "-5", "0.5", "1500ms", "5+", "99999999999999999999"] {
            let error = parse_interval(wrong).expect_err(wrong);
            assert!(error.contains("`10s`, `5m` or `1h30m`"), "{wrong}: {error}");
        }
    }
}
