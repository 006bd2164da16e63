//! `dacapo status`

use anyhow::Result;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::limits::PAGE_SIZE_MAX;
use serde_json::json;

use crate::args::ClientFlags;
use crate::client::wire::{Modules, RunPage};
use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::output;

/// Says whether a server serves, and what it has to do.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  dacapo status --server http://dacapo.internal:7233

Ends with 0 if the server serves, with 3 if it can't be reached or is not ready.")]
pub struct StatusArgs {
    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: StatusArgs) -> Result<Exit> {
    let client = args.client.client()?;
    client.check_ready().await?;
    let modules = modules(&client).await?;
    let running = count(&client, ExecutionStatus::Running).await?;
    let blocked = count(&client, ExecutionStatus::Blocked).await?;
    if args.client.is_json() {
        let status = json!({
            "server": client.server().as_str(),
            "status": "ready",
            "namespace": args.client.namespace.as_str(),
            "modules": modules,
            "running": running.runs,
            "running_is_at_least": running.is_at_least,
            "blocked": blocked.runs,
            "blocked_is_at_least": blocked.is_at_least,
        });
        output::line(&status.to_string())?;
        return Ok(Exit::Success);
    }
    let fields = [
        ("server", client.server().to_string()),
        ("status", "ready".to_owned()),
        ("namespace", args.client.namespace.to_string()),
        ("modules", modules.to_string()),
        ("running", running.in_words()),
        ("blocked", blocked.in_words()),
    ];
    output::line(&output::fields(&fields))?;
    if blocked.runs > 0 {
        output::note("`dacapo run list --status blocked --wide` says why runs are blocked");
    }
    Ok(Exit::Success)
}

/// Runs on the first page: enough to see whether there are many.
struct Count {
    runs: usize,
    is_at_least: bool,
}

impl Count {
    fn in_words(&self) -> String {
        format!("{}{}", self.runs, if self.is_at_least { " or more" } else { "" })
    }
}

/// How many there are.
async fn modules(client: &Client) -> Result<usize, ClientError> {
    let mut query = vec![("limit", PAGE_SIZE_MAX.to_string())];
    let mut count = 0;
    loop {
        let page: Modules = client.list_modules(&query).await?.read()?;
        count += page.modules.len();
        let Some(token) = page.next_page_token else {
            return Ok(count);
        };
        query.truncate(1);
        query.push(("page_token", token));
    }
}

async fn count(client: &Client, status: ExecutionStatus) -> Result<Count, ClientError> {
    let query = [("limit", PAGE_SIZE_MAX.to_string()), ("status", status.as_str().to_owned())];
    let page: RunPage = client.list_runs(&query).await?.read()?;
    Ok(Count { runs: page.runs.len(), is_at_least: page.next_page_token.is_some() })
}
