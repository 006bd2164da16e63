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

/// Lists runs, the newest start first unless the filter has another order.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo run list --status running --status blocked
  dacapo run list --watch --limit 20
  dacapo run list --filter \"WorkflowType = 'checkout' AND ExecutionDuration > '1h'\"
  dacapo run list --filter \"CloseTime > '2026-01-31T08:00:00Z' ORDER BY CloseTime DESC\"
  dacapo run list --type checkout --all --output json | jq .runs[].run_id

What can stand in a filter is told in docs/filters.md. In a terminal, long names are cut to its width, and run ids to their last eight
digits; --wide shows everything, and so does a pipe or a file. With --output json
each page is one line: the server's answer.")]
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

    /// Only runs that this condition holds for; it may end in ORDER BY.
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,

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
    query.extend(args.filter.iter().map(|filter| ("filter", filter.clone())));
    query.extend(args.workflow_id.iter().map(|id| ("workflow_id", id.as_str().to_owned())));
    query
}

fn table(runs: &[Run], wide: bool) -> String {
    let text = match wide {
        true => wide_table(runs),
        false => narrow_table(runs, wall_clock(), output::columns()),
    };
    let colors = runs.iter().map(|run| color_of(&run.status));
    output::color_last_words(&text, colors, io::stdout().is_terminal())
}

/// Fits into so many columns; without a limit nothing is cut. The status comes last, where
/// its color disturbs no column.
fn narrow_table(runs: &[Run], now: SystemTime, columns: Option<usize>) -> String {
    let header = ["WORKFLOW ID", "TYPE", "AGE", "RUN", "STATUS"];
    let row = |run: &Run| {
        [
            output::without_middle(&run.workflow_id, usize::MAX),
            output::without_middle(&run.workflow_type, usize::MAX),
            age(&run.started_at, now).map(coarse).unwrap_or_default(),
            if columns.is_some() { short(&run.run_id) } else { run.run_id.clone() },
            run.status.clone(),
        ]
    };
    let mut rows: Vec<_> = runs.iter().map(row).collect();
    if let Some(columns) = columns {
        output::fit(&header, &mut rows, &[0, 1], columns);
    }
    output::table(header, rows)
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

pub(in crate::commands) fn color_of(status: &str) -> Color {
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

    fn a_month_later() -> SystemTime {
        humantime::parse_rfc3339("2026-12-28T12:00:00Z").expect("a time")
    }

    #[test]
    fn a_list_fits_the_terminal_whatever_people_chose() {
        let (long, now) = ("x".repeat(200), a_month_later());
        let runs = runs(&[(&long, &long, "continued_as_new"), ("w", "t", "running")]);
        for columns in [60, 80, 200] {
            let text = narrow_table(&runs, now, Some(columns));
            let widths: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
            assert_eq!(widths.iter().max(), Some(&columns), "{widths:?}\n{text}");
            let row = text.lines().nth(1).expect("a row");
            assert!(row.ends_with("30d  456789ab  continued_as_new"), "{row}");
        }
    }

    #[test]
    fn ids_have_the_room_that_there_is_and_keep_both_ends() {
        let id = "customers/4711/orders/2026-11-28/0017";
        let runs = runs(&[(id, "checkout", "running")]);
        let line = |columns| narrow_table(&runs, a_month_later(), Some(columns));
        assert!(line(80).contains(id), "{}", line(80));
        assert!(line(60).contains("customers/471…6-11-28/0017"), "{}", line(60));
    }

    #[test]
    fn nothing_is_cut_for_a_pipe() {
        let long = "x".repeat(200);
        let text = narrow_table(&runs(&[(&long, &long, "running")]), a_month_later(), None);
        assert_eq!(text.matches(&long).count(), 2, "{text}");
        assert!(text.contains("019c0000-0000-7000-8000-0123456789ab"), "{text}");
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
