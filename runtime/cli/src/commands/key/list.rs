//! `dacapo key list`

use anyhow::Result;

use crate::args::ClientFlags;
use crate::client::wire::{ApiKey, ApiKeys};
use crate::exit::Exit;
use crate::output;

/// Lists the keys that you administer, what they permit and when each was used last.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo key list")]
pub struct ListArgs {
    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ListArgs) -> Result<Exit> {
    let answer = args.client.client()?.list_keys().await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let keys = answer.read::<ApiKeys>()?.api_keys;
    if keys.is_empty() {
        output::note("there are no keys; `dacapo key create` makes one");
        return Ok(Exit::Success);
    }
    output::line(&table(keys))?;
    Ok(Exit::Success)
}

fn table(keys: Vec<ApiKey>) -> String {
    let rows = keys.into_iter().map(|key| {
        let roles: Vec<String> = key.grants.iter().map(ToString::to_string).collect();
        let or = |time: Option<String>, none: &str| time.unwrap_or_else(|| none.to_owned());
        [
            key.id,
            key.name,
            roles.join(", "),
            or(key.last_used_at, "never"),
            or(key.expires_at, "never"),
        ]
    });
    output::table(["ID", "NAME", "ROLES", "USED", "EXPIRES"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_line_with_what_it_permits() {
        let listed: ApiKeys = serde_json::from_str(
            r#"{"api_keys": [{"id": "0123456789abcdef", "name": "exports",
                "grants": [{"role": "reader"}, {"namespace": "shop", "role": "worker"}],
                "created_at": "2026-11-29T12:00:00Z", "expires_at": "2027-11-29T12:00:00Z"}]}"#,
        )
        .expect("valid");
        let expected = "\
ID                NAME     ROLES                USED   EXPIRES
0123456789abcdef  exports  reader, worker@shop  never  2027-11-29T12:00:00Z";
        assert_eq!(table(listed.api_keys), expected);
    }
}
