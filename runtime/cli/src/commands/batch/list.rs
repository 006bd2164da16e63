//! `dacapo batch list`

use std::io::{self, IsTerminal as _};
use std::time::SystemTime;

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::limits::PAGE_SIZE_MAX;

use crate::args::ClientFlags;
use crate::client::wire::{Batch, BatchPage};
use crate::commands::run::list::color_of;
use crate::exit::Exit;
use crate::output;
use crate::times::{age, coarse, wall_clock};

/// Lists batches, the newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo batch list --status running")]
pub struct ListArgs {
    /// Only batches that stand there. Repeat it for several.
    #[arg(
        long,
        value_name = "STATUS",
        value_parser = PossibleValuesParser::new(ExecutionStatus::ALL.map(ExecutionStatus::as_str))
    )]
    status: Vec<String>,

    /// Batches on one page.
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
    query.extend(args.status.iter().map(|status| ("status", status.clone())));
    let filters = query.len();
    loop {
        let answer = client.list_batches(&query).await?;
        let page: BatchPage = answer.read()?;
        let text = match args.client.is_json() {
            true => answer.text,
            false => table(&page.batches, wall_clock(), output::columns()),
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

/// Fits into so many columns; without a limit nothing is cut.
fn table(batches: &[Batch], now: SystemTime, columns: Option<usize>) -> String {
    let header = ["BATCH ID", "OPERATION", "AGE", "STATUS"];
    let row = |batch: &Batch| {
        [
            output::without_middle(&batch.batch_id, usize::MAX),
            batch.operation.clone(),
            age(&batch.started_at, now).map(coarse).unwrap_or_default(),
            batch.status.clone(),
        ]
    };
    let mut rows: Vec<_> = batches.iter().map(row).collect();
    if let Some(columns) = columns {
        output::fit(&header, &mut rows, &[0], columns);
    }
    let colors = batches.iter().map(|batch| color_of(&batch.status));
    output::color_last_words(&output::table(header, rows), colors, io::stdout().is_terminal())
}
