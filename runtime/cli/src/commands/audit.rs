//! `dacapo audit`

use anyhow::Result;
use dacapo_model::ids::NamespaceName;

use crate::args::ClientFlags;
use crate::client::wire::{AuditEntry, AuditPage};
use crate::exit::Exit;
use crate::output;

/// Lists who changed what, the newest first. Only servers that ask for keys keep this log.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo audit
  dacapo audit --only shop --limit 500 --output json")]
pub struct AuditArgs {
    /// What was done in this namespace.
    #[arg(long, value_name = "NAMESPACE")]
    only: Option<NamespaceName>,

    /// How many entries.
    #[arg(long, value_name = "COUNT", default_value_t = 100,
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,

    /// Entries before the one with this number.
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: AuditArgs) -> Result<Exit> {
    let mut query = vec![("limit", args.limit.to_string())];
    query.extend(args.only.iter().map(|it| ("namespace", it.to_string())));
    query.extend(args.before.iter().map(|it| ("before", it.to_string())));
    let answer = args.client.client()?.list_audit(&query).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let entries = answer.read::<AuditPage>()?.entries;
    if entries.is_empty() {
        output::note("there are no entries");
        return Ok(Exit::Success);
    }
    output::line(&table(entries))?;
    Ok(Exit::Success)
}

fn table(entries: Vec<AuditEntry>) -> String {
    let rows = entries.into_iter().map(|it| {
        [it.at, it.principal, it.action, it.target, it.address.unwrap_or_else(|| "-".to_owned())]
    });
    output::table(["AT", "WHO", "WHAT", "OF", "FROM"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_line_that_says_who_did_what() {
        let page: AuditPage = serde_json::from_str(
            r#"{"entries": [{"number": 7, "at": "2026-11-29T12:00:00Z", "principal": "local",
                "action": "create_api_key", "target": "0123456789abcdef"}]}"#,
        )
        .expect("valid");
        let expected = "\
AT                    WHO    WHAT            OF                FROM
2026-11-29T12:00:00Z  local  create_api_key  0123456789abcdef  -";
        assert_eq!(table(page.entries), expected);
    }
}
