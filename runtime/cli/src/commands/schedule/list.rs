//! `dacapo schedule list`

use anyhow::Result;
use dacapo_model::ids::TypeName;
use dacapo_model::limits::PAGE_SIZE_MAX;

use super::state;
use crate::args::ClientFlags;
use crate::client::wire::{SchedulePage, ScheduleSummary};
use crate::exit::Exit;
use crate::output;

/// Lists schedules.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  dacapo schedule list --all --output json | jq .schedules[].schedule_id")]
pub struct ListArgs {
    /// Only those that start this workflow type.
    #[arg(long = "type", value_name = "TYPE")]
    workflow_type: Option<TypeName>,

    /// Schedules on one page.
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
    let mut query = vec![("limit", args.limit.to_string())];
    query.extend(args.workflow_type.iter().map(|name| ("workflow_type", name.to_string())));
    let filters = query.len();
    loop {
        let answer = client.list_schedules(&query).await?;
        let page: SchedulePage = answer.read()?;
        let text = match args.client.is_json() {
            true => answer.text,
            false => table(&page.schedules),
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

fn table(schedules: &[ScheduleSummary]) -> String {
    let row = |schedule: &ScheduleSummary| {
        [
            output::without_middle(&schedule.schedule_id, usize::MAX),
            output::without_middle(&schedule.workflow_type, usize::MAX),
            state(schedule.blocked, schedule.paused).to_owned(),
            output::brief(&schedule.note, 60),
        ]
    };
    output::table(["SCHEDULE ID", "STARTS", "STATE", "NOTE"], schedules.iter().map(row).collect())
}
