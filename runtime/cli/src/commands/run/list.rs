//! `dacapo run list`

use std::io::{self, IsTerminal as _};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::TypeName;

use crate::args::ClientFlags;
use crate::client::wire::{Run, RunPage};
use crate::client::{Client, Patience};
use crate::exit::Exit;
use crate::output::{self, Color};
use crate::times::{age, coarse, wall_clock};

/// Between two looks of `--watch`, unless it says otherwise.
const WATCH_PAUSE: &str = "2s";

/// Less would be load for the server that nobody can read.
const WATCH_PAUSE_MIN: Duration = Duration::from_millis(100);

/// Moves to the upper left corner and forgets what is on the screen.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Lists runs, the newest start first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo run list --status running --status blocked
  dacapo run list --watch --limit 20
  dacapo run list --type checkout --all --output json | jq .runs[].run_id

Run ids are cut to their last eight digits; --wide shows everything. With
--output json each page is one line: the server's answer.")]
pub struct ListArgs {
    /// Only runs that stand there. Repeat it for several.
    #[arg(
        long,
        value_name = "STATUS",
        value_parser = PossibleValuesParser::new(ExecutionStatus::ALL.map(ExecutionStatus::as_str))
    )]
    status: Vec<String>,

    /// Only runs of this workflow type.
    #[arg(long = "type", value_name = "TYPE")]
    workflow_type: Option<TypeName>,

    /// Only runs of this workflow id: the latest and the ones before it.
    #[arg(long, value_name = "ID")]
    workflow_id: Option<dacapo_model::ids::WorkflowId>,

    /// Runs on one page.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(dacapo_model::limits::PAGE_SIZE_MAX)))]
    limit: u32,

    /// All pages, instead of the first.
    #[arg(long)]
    all: bool,

    /// Whole ids, times instead of ages, and why runs are blocked.
    #[arg(long)]
    wide: bool,

    /// Show it again and again, every two seconds or as often as said, until
    /// Ctrl-C.
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = WATCH_PAUSE,
        value_parser = parse_pause,
        conflicts_with = "all"
    )]
    watch: Option<Duration>,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ListArgs) -> Result<Exit> {
    let client = args.client.client()?;
    let Some(pause) = args.watch else {
        return pages(&args, &client).await;
    };
    let clear = if io::stdout().is_terminal() && !args.client.is_json() { CLEAR } else { "" };
    let mut patience = Patience::default();
    loop {
        match client.list_runs(&query(&args)).await {
            Ok(answer) => {
                patience.restore();
                let text = if args.client.is_json() {
                    answer.text
                } else {
                    format!("{clear}{}", table(&answer.read::<RunPage>()?.runs, args.wide))
                };
                output::line(&text)?;
                tokio::time::sleep(pause).await;
            }
            Err(error) => patience.bear(error).await?,
        }
    }
}

fn parse_pause(text: &str) -> Result<Duration, String> {
    match crate::config::parse_duration(text)? {
        pause if pause < WATCH_PAUSE_MIN => Err("it must be at least 100ms".to_owned()),
        pause => Ok(pause),
    }
}

async fn pages(args: &ListArgs, client: &Client) -> Result<Exit> {
    let mut query = query(args);
    let filters = query.len();
    loop {
        let answer = client.list_runs(&query).await?;
        let page: RunPage = answer.read()?;
        let text = if args.client.is_json() { answer.text } else { table(&page.runs, args.wide) };
        output::line(&text)?;
        match page.next_page_token {
            Some(token) if args.all => {
                query.truncate(filters);
                query.push(("page_token", token));
            }
            Some(_) if !args.client.is_json() => {
                output::note("there are more; --all lists them");
                return Ok(Exit::Success);
            }
            _ => return Ok(Exit::Success),
        }
    }
}

fn query(args: &ListArgs) -> Vec<(&'static str, String)> {
    let mut query = vec![("limit", args.limit.to_string())];
    query.extend(args.status.iter().map(|status| ("status", status.clone())));
    query.extend(args.workflow_type.iter().map(|name| ("workflow_type", name.to_string())));
    query.extend(args.workflow_id.iter().map(|id| ("workflow_id", id.as_str().to_owned())));
    query
}

fn table(runs: &[Run], wide: bool) -> String {
    let text = if wide { wide_table(runs) } else { narrow_table(runs, wall_clock()) };
    let colors = runs.iter().map(|run| color_of(&run.status));
    output::color_last_words(&text, colors, io::stdout().is_terminal())
}

/// At most 80 columns: 31 and 15 for what people chose, 4, 8 and 16 for the rest, and
/// spaces between them. The status comes last, where its color disturbs no column.
fn narrow_table(runs: &[Run], now: SystemTime) -> String {
    let row = |run: &Run| {
        [
            output::brief(&run.workflow_id, 29),
            output::brief(&run.workflow_type, 15),
            age(&run.started_at, now).map(coarse).unwrap_or_default(),
            short(&run.run_id),
            run.status.clone(),
        ]
    };
    let header = ["WORKFLOW ID", "TYPE", "AGE", "RUN", "STATUS"];
    output::table(header, runs.iter().map(row).collect())
}

fn wide_table(runs: &[Run]) -> String {
    let row = |run: &Run| {
        [
            run.workflow_id.clone(),
            run.workflow_type.clone(),
            run.started_at.clone(),
            run.closed_at.clone().unwrap_or_default(),
            run.run_id.clone(),
            match &run.blocked {
                Some(blocked) => format!("{} ({})", run.status, blocked.code),
                None => run.status.clone(),
            },
        ]
    };
    let header = ["WORKFLOW ID", "TYPE", "STARTED", "CLOSED", "RUN ID", "STATUS"];
    output::table(header, runs.iter().map(row).collect())
}

/// The end of an id, where those of one moment differ.
fn short(run_id: &str) -> String {
    let length = run_id.chars().count();
    run_id.chars().skip(length.saturating_sub(8)).collect()
}

fn color_of(status: &str) -> Color {
    match status {
        "running" => Color::Blue,
        "completed" => Color::Green,
        "blocked" | "failed" | "timed_out" => Color::Red,
        "canceled" | "terminated" => Color::Yellow,
        _ => Color::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(texts: &[(&str, &str, &str)]) -> Vec<Run> {
        let run = |(id, name, status): &(&str, &str, &str)| {
            let blocked = if *status == "blocked" {
                r#", "blocked": {"code": "nondeterminism", "message": "no"}"#
            } else {
                ""
            };
            let text = format!(
                r#"{{"workflow_id": "{id}", "workflow_type": "{name}", "status": "{status}",
                    "run_id": "019c0000-0000-7000-8000-0123456789ab",
                    "started_at": "2026-11-28T12:00:00Z"{blocked}}}"#
            );
            serde_json::from_str(&text).expect("valid")
        };
        texts.iter().map(run).collect()
    }

    #[test]
    fn a_list_fits_eighty_columns_whatever_people_chose() {
        let long = "x".repeat(200);
        let now = humantime::parse_rfc3339("2026-12-28T12:00:00Z").expect("a time");
        let text = narrow_table(&runs(&[(&long, &long, "continued_as_new")]), now);
        let widths: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width <= 80), "{widths:?}\n{text}");
        let row = text.lines().nth(1).expect("a row");
        assert!(row.ends_with("30d  456789ab  continued_as_new"), "{row}");
    }

    #[test]
    fn a_wide_list_cuts_nothing_and_says_why_runs_are_blocked() {
        let long = "x".repeat(200);
        let text = wide_table(&runs(&[(&long, "t", "blocked")]));
        assert!(text.contains(&long) && text.contains("0123456789ab"), "{text}");
        assert!(text.ends_with("blocked (nondeterminism)"), "{text}");
    }

    #[test]
    fn nobody_watches_without_a_pause() {
        assert!(parse_pause("0s").is_err() && parse_pause("1ms").is_err());
        assert_eq!(parse_pause("100ms"), Ok(WATCH_PAUSE_MIN));
    }

    #[test]
    fn every_status_has_a_color_that_fits() {
        for status in ExecutionStatus::ALL {
            let expected = match status {
                ExecutionStatus::Running => Color::Blue,
                ExecutionStatus::Completed => Color::Green,
                ExecutionStatus::Canceled | ExecutionStatus::Terminated => Color::Yellow,
                ExecutionStatus::ContinuedAsNew => Color::Plain,
                _ => Color::Red,
            };
            assert_eq!(color_of(status.as_str()), expected, "{status:?}");
        }
    }
}
