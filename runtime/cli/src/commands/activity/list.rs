//! `dacapo activity list`

use std::io::{self, IsTerminal as _};
use std::time::SystemTime;

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{ActivityId, TypeName};
use dacapo_model::limits::PAGE_SIZE_MAX;

use crate::args::ClientFlags;
use crate::client::wire::{Activity, ActivityPage};
use crate::commands::run::list::color_of;
use crate::exit::Exit;
use crate::output;
use crate::times::{age, coarse, wall_clock};

/// Lists activities without a workflow, the newest start first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo activity list --status running
  dacapo activity list --type send_email --all --output json | jq .activities[].activity_id

Activities that workflows asked for are in `dacapo run show`. In a terminal, long
names are cut to its width; a pipe or a file gets all of them. With --output json
each page is one line: the server's answer.")]
pub struct ListArgs {
    /// Only activities that stand there. Repeat it for several.
    #[arg(
        long,
        value_name = "STATUS",
        value_parser = PossibleValuesParser::new(ExecutionStatus::ALL.map(ExecutionStatus::as_str))
    )]
    status: Vec<String>,

    /// Only activities of this type.
    #[arg(long = "type", value_name = "TYPE")]
    activity_type: Option<TypeName>,

    /// Only those of this id: the latest and the ones before it.
    #[arg(long, value_name = "ID")]
    activity_id: Option<ActivityId>,

    /// Activities on one page.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(PAGE_SIZE_MAX)))]
    limit: u32,

    /// All pages, instead of the first.
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ListArgs) -> Result<Exit> {
    let client = args.client.client()?;
    let mut query = query(&args);
    let filters = query.len();
    loop {
        let answer = client.list_activities(&query).await?;
        let page: ActivityPage = answer.read()?;
        let text = match args.client.is_json() {
            true => answer.text,
            false => table(&page.activities, wall_clock(), output::columns()),
        };
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
    query.extend(args.activity_type.iter().map(|name| ("activity_type", name.to_string())));
    query.extend(args.activity_id.iter().map(|id| ("activity_id", id.to_string())));
    query
}

/// Fits into so many columns; without a limit nothing is cut.
fn table(activities: &[Activity], now: SystemTime, columns: Option<usize>) -> String {
    let header = ["ACTIVITY ID", "TYPE", "AGE", "RUN ID", "STATUS"];
    let row = |activity: &Activity| {
        [
            output::without_middle(&activity.activity_id, usize::MAX),
            output::without_middle(&activity.activity_type, usize::MAX),
            age(&activity.started_at, now).map(coarse).unwrap_or_default(),
            activity.run_id.clone(),
            activity.status.clone(),
        ]
    };
    let mut rows: Vec<_> = activities.iter().map(row).collect();
    if let Some(columns) = columns {
        output::fit(&header, &mut rows, &[0, 1], columns);
    }
    let colors = activities.iter().map(|activity| color_of(&activity.status));
    output::color_last_words(&output::table(header, rows), colors, io::stdout().is_terminal())
}
