//! `dacapo namespace list`

use anyhow::Result;
use dacapo_model::limits::PAGE_SIZE_MAX;

use super::show::retention;
use crate::args::ClientFlags;
use crate::client::wire::{Namespace, Namespaces};
use crate::exit::Exit;
use crate::output;

/// Lists namespaces.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo namespace list
  dacapo namespace list --all --output json | jq -r '.namespaces[].name'")]
pub struct ListArgs {
    /// Namespaces on one page.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
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
    loop {
        let answer = client.list_namespaces(&query).await?;
        let page: Namespaces = answer.read()?;
        let text = match args.client.is_json() {
            true => answer.text,
            false => table(page.namespaces),
        };
        output::line(&text)?;
        match page.next_page_token {
            Some(token) if args.all => {
                query.truncate(1);
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

fn table(namespaces: Vec<Namespace>) -> String {
    let rows = namespaces
        .into_iter()
        .map(|it| [it.name, it.state, retention(it.retention_seconds), it.created_at]);
    output::table(["NAME", "STATE", "RETENTION", "MADE"], rows.collect())
}
