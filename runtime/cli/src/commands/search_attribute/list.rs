//! `dacapo search-attribute list`

use anyhow::Result;

use crate::args::ClientFlags;
use crate::client::wire::{RegisteredSearchAttribute, SearchAttributes};
use crate::exit::Exit;
use crate::output;

/// Lists the search attributes that the namespace has registered.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo search-attribute list
  dacapo search-attribute list --output json | jq -r '.search_attributes[].name'")]
pub struct ListArgs {
    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ListArgs) -> Result<Exit> {
    let answer = args.client.client()?.list_search_attributes().await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let registered = answer.read::<SearchAttributes>()?.search_attributes;
    if registered.is_empty() {
        output::note("none are registered; `dacapo search-attribute add NAME=TYPE` does so");
        return Ok(Exit::Success);
    }
    output::line(&table(registered))?;
    Ok(Exit::Success)
}

fn table(registered: Vec<RegisteredSearchAttribute>) -> String {
    let rows = registered.into_iter().map(|it| [it.name, it.attribute_type, it.created_at]);
    output::table(["NAME", "TYPE", "REGISTERED"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_line_with_its_type() {
        let listed: SearchAttributes = serde_json::from_str(
            r#"{"search_attributes": [{"name": "CustomerId", "type": "keyword",
                "created_at": "2026-11-29T12:00:00Z"}]}"#,
        )
        .expect("valid");
        let expected = "\
NAME        TYPE     REGISTERED
CustomerId  keyword  2026-11-29T12:00:00Z";
        assert_eq!(table(listed.search_attributes), expected);
    }
}
