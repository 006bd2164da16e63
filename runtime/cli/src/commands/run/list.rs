//! `dacapo run list`

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::TypeName;

use crate::args::ClientFlags;
use crate::client::wire::{Run, RunPage};
use crate::exit::Exit;
use crate::output;

/// Lists runs, the newest start first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo run list --status running --status blocked
  dacapo run list --type checkout --all --output json | jq .runs[].run_id

With --output json each page is one line: the server's answer.")]
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

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ListArgs) -> Result<Exit> {
    let client = args.client.client()?;
    let mut query = vec![("limit", args.limit.to_string())];
    query.extend(args.status.iter().map(|status| ("status", status.clone())));
    query.extend(args.workflow_type.map(|name| ("workflow_type", name.into())));
    query.extend(args.workflow_id.map(|id| ("workflow_id", id.into())));
    let filters = query.len();
    loop {
        let answer = client.list_runs(&query).await?;
        let page: RunPage = answer.read()?;
        let text = if args.client.is_json() { answer.text } else { table(&page.runs) };
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

fn table(runs: &[Run]) -> String {
    let row = |run: &Run| {
        [
            output::brief(&run.workflow_id, 48),
            output::brief(&run.workflow_type, 32),
            match &run.blocked {
                Some(blocked) => format!("{} ({})", run.status, blocked.code),
                None => run.status.clone(),
            },
            run.started_at.clone(),
            run.closed_at.clone().unwrap_or_default(),
            run.run_id.clone(),
        ]
    };
    output::table(
        ["WORKFLOW ID", "TYPE", "STATUS", "STARTED", "CLOSED", "RUN ID"],
        runs.iter().map(row).collect(),
    )
}
