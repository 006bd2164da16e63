//! `dacapo queue list`

use std::time::SystemTime;

use anyhow::Result;

use crate::args::ClientFlags;
use crate::client::wire::{TaskQueueDescription, TaskQueues};
use crate::exit::Exit;
use crate::output;
use crate::times::{age, coarse, wall_clock};

/// Lists the queues in which tasks wait, which workers have polled in the last five minutes,
/// or of which anything is set.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo queue list
  dacapo queue list --all --output json | jq '.task_queues[] | select(.workers == [])'

READY is what a worker could have now, and OLDEST how long the first of it waits. SET says
that the queue has limits, or is drained.
With --output json each page is one line: the server's answer.")]
pub struct ListArgs {
    /// All pages, instead of the first.
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ListArgs) -> Result<Exit> {
    let client = args.client.client()?;
    let mut query = Vec::new();
    loop {
        let answer = client.list_queues(&query).await?;
        let page: TaskQueues = answer.read()?;
        let text = match args.client.is_json() {
            true => answer.text,
            false => table(&page.task_queues, wall_clock(), output::columns()),
        };
        output::line(&text)?;
        match page.next_page_token {
            Some(token) if args.all => query = vec![("page_token", token)],
            Some(_) if !args.client.is_json() => {
                output::note("there are more; --all lists them");
                return Ok(Exit::Success);
            }
            _ => return Ok(Exit::Success),
        }
    }
}

fn table(queues: &[TaskQueueDescription], now: SystemTime, columns: Option<usize>) -> String {
    let header = ["QUEUE", "READY", "OLDEST", "DELAYED", "IN HAND", "WORKERS", "SET"];
    let row = |queue: &TaskQueueDescription| {
        let oldest = queue.oldest_since().and_then(|time| age(time, now));
        [
            output::without_middle(&queue.name, usize::MAX),
            queue.ready().to_string(),
            oldest.map(coarse).unwrap_or_default(),
            queue.delayed.to_string(),
            queue.in_hand.to_string(),
            queue.workers.len().to_string(),
            set(queue).to_owned(),
        ]
    };
    let mut rows: Vec<_> = queues.iter().map(row).collect();
    if let Some(columns) = columns {
        output::fit(&header, &mut rows, &[0], columns);
    }
    output::table(header, rows)
}

fn set(queue: &TaskQueueDescription) -> &'static str {
    match (queue.drained, queue.limits.told().is_empty()) {
        (true, _) => "drained",
        (false, false) => "limits",
        (false, true) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        humantime::parse_rfc3339("2026-11-29T12:00:00Z").expect("a time")
    }

    fn queues(name: &str) -> Vec<TaskQueueDescription> {
        let text = format!(
            r#"[{{"name": "{name}", "delayed": 4, "in_hand": 5, "leases": [],
                "backlog": [{{"priority": 1, "tasks": 2, "oldest_since": "2026-11-29T11:59:00Z"}},
                            {{"priority": 5, "tasks": 1, "oldest_since": "2026-11-29T11:50:00Z"}}],
                "workers": [{{"identity": "w", "last_poll_at": "2026-11-29T12:00:00Z"}}]}}]"#
        );
        serde_json::from_str(&text).expect("valid")
    }

    #[test]
    fn a_queue_is_a_line_with_the_age_of_what_waits_longest() {
        let mut queues = queues("emails");
        let text = table(&queues, now(), None);
        let expected = "\
QUEUE   READY  OLDEST  DELAYED  IN HAND  WORKERS  SET
emails  3      10m     4        5        1";
        assert_eq!(text, expected);
        queues[0].limits.concurrency = Some(5);
        assert!(table(&queues, now(), None).ends_with("1        limits"));
        queues[0].drained = true;
        assert!(table(&queues, now(), None).ends_with("1        drained"));
    }

    #[test]
    fn a_list_fits_the_terminal() {
        let text = table(&queues(&"x".repeat(200)), now(), Some(60));
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        assert!(text.contains('…'), "{text}");
    }
}
