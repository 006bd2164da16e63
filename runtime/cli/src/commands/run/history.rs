//! `dacapo run history`

use anyhow::Result;

use super::event_line;
use crate::args::{ClientFlags, RunFlags};
use crate::client::wire::{DamagedEvent, Event, HistoryPage, RunDescription};
use crate::client::{Client, ClientError, RunAddress};
use crate::commands::replay;
use crate::exit::Exit;
use crate::output;

/// Prints the events of a run, one per line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo run history order-17
  dacapo run history order-17 --follow --output json
  dacapo run history order-17 --export > order-17.json

With --output json each line is one event, as the server wrote it. Following goes
on across a restart of the server, and ends with the run.")]
pub struct HistoryArgs {
    #[command(flatten)]
    run: RunFlags,

    /// Go on as the history grows, until the run closes.
    #[arg(long, short)]
    follow: bool,

    /// Everything, as one JSON document that `dacapo replay` reads.
    #[arg(long, conflicts_with = "follow")]
    export: bool,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: HistoryArgs) -> Result<Exit> {
    let client = args.client.client()?;
    let is_json = args.client.is_json();
    // Later answers must be about the same run, even if it closes and another
    // one of its workflow id starts.
    let run = pinned(&client, args.run.address()).await?;
    if args.export {
        let history = replay::export(&client, &run).await?;
        output::line(&serde_json::to_string(&history)?)?;
        return Ok(Exit::Success);
    }
    if args.follow {
        let mut events = client.follow_history(run);
        while let Some(followed) = events.next().await? {
            print(is_json, followed.text.get(), &followed.event)?;
        }
        return Ok(Exit::Success);
    }
    let mut from = Some(1);
    while let Some(first) = from {
        let page: HistoryPage = client.run_history(&run, first).await?.read()?;
        for text in &page.events {
            let event = serde_json::from_str(text.get())
                .map_err(|error| ClientError::Answer { problem: error.to_string() })?;
            print(is_json, text.get(), &event)?;
        }
        warn_of(&page.damaged);
        // A page that leads nowhere would be asked for without end.
        from = page.next.filter(|next| *next > first);
    }
    Ok(Exit::Success)
}

/// Says which events are not shown. The status says so too: the run is blocked.
pub(crate) fn warn_of(damaged: &[DamagedEvent]) {
    for DamagedEvent { event_id, message } in damaged {
        let message = output::printable(message);
        output::note(&format!("warning: event {event_id} can't be shown: {message}"));
    }
}

async fn pinned(client: &Client, run: RunAddress) -> Result<RunAddress, ClientError> {
    if run.run_id.is_some() {
        return Ok(run);
    }
    let description: RunDescription = client.show_run(&run).await?.read()?;
    Ok(RunAddress { run_id: Some(description.run.run_id), ..run })
}

fn print(is_json: bool, text: &str, event: &Event) -> Result<()> {
    if is_json {
        output::line(text)?;
    } else {
        output::line(&event_line::event_line(event))?;
    }
    Ok(())
}
