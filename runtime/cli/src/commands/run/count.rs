//! `dacapo run count`

use anyhow::Result;
use clap::ValueEnum;

use crate::args::ClientFlags;
use crate::client::wire::{RunCount, RunGroup};
use crate::exit::Exit;
use crate::output;

/// Counts runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo run count
  dacapo run count --filter \"WorkflowType = 'checkout'\" --group-by status
  dacapo run count --group-by day --output json | jq .groups

What can stand in a filter is told in docs/filters.md. Days are those of the start, in
UTC. The last line is the number of all runs; without groups it is the only one.")]
pub struct CountArgs {
    /// Only runs that this condition holds for.
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,

    /// Count them by this, too.
    #[arg(long, value_name = "WHAT")]
    group_by: Option<GroupBy>,

    #[command(flatten)]
    client: ClientFlags,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum GroupBy {
    Status,
    Type,
    Module,
    Day,
}

impl GroupBy {
    /// As the server calls it.
    fn field(self) -> &'static str {
        match self {
            Self::Status => "ExecutionStatus",
            Self::Type => "WorkflowType",
            Self::Module => "ModuleName",
            Self::Day => "StartTime",
        }
    }
}

pub(super) async fn run(args: CountArgs) -> Result<Exit> {
    let client = args.client.client()?;
    let mut query = Vec::new();
    query.extend(args.filter.map(|filter| ("filter", filter)));
    query.extend(args.group_by.map(|by| ("group_by", by.field().to_owned())));
    let answer = client.count_runs(&query).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let count: RunCount = answer.read()?;
    output::line(&text(&count))?;
    if count.is_cut {
        output::note("there are further groups; a filter that is narrower shows them");
    }
    Ok(Exit::Success)
}

/// A line for each group, and one for all.
fn text(count: &RunCount) -> String {
    let name = |group: &RunGroup| match group.modules.is_empty() {
        true => group.value.clone(),
        false => group.modules.join(", "),
    };
    let lines = count.groups.iter().map(|group| (group.count, name(group)));
    let all = if count.groups.is_empty() { String::new() } else { "all".to_owned() };
    let lines: Vec<_> = lines.chain([(count.count, all)]).collect();
    let width = count.count.to_string().len();
    let lines: Vec<_> = lines
        .iter()
        .map(|(runs, name)| format!("{runs:>width$}  {name}").trim_end().to_owned())
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(json: &str) -> String {
        text(&serde_json::from_str(json).expect("valid"))
    }

    #[test]
    fn a_number_alone_is_a_number_alone() {
        assert_eq!(counted(r#"{"count": 17}"#), "17");
    }

    #[test]
    fn groups_stand_in_a_column_above_all_of_them() {
        let json = r#"{"count": 1200, "groups": [
            {"value": "5f0c", "modules": ["shop@1", "copy@3"], "count": 1193},
            {"value": "00ff", "count": 7}
        ]}"#;
        assert_eq!(counted(json), "1193  shop@1, copy@3\n   7  00ff\n1200  all");
    }
}
