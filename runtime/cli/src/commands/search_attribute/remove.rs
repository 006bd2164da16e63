//! `dacapo search-attribute remove`

use anyhow::{Result, bail};
use dacapo_model::search_attribute::SearchAttributeName;

use crate::args::ClientFlags;
use crate::client::wire::SearchAttributeRemoved;
use crate::exit::Exit;
use crate::output;

/// Removes a search attribute. Values that runs have stay with them and are shown, but no run
/// is found by them any more, and new values are refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo search-attribute remove CustomerId")]
pub struct RemoveArgs {
    /// Its name.
    #[arg(value_name = "NAME")]
    name: SearchAttributeName,

    /// Take it for done if it is not registered.
    #[arg(long)]
    ignore_not_found: bool,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: RemoveArgs) -> Result<Exit> {
    let answer = args.client.client()?.remove_search_attribute(args.name.as_str()).await?;
    let is_removed = answer.read::<SearchAttributeRemoved>()?.removed;
    if args.client.is_json() {
        output::line(&answer.text)?;
    }
    if !is_removed && !args.ignore_not_found {
        bail!(
            "search attribute `{}` is not registered, nothing was removed; `dacapo \
             search-attribute list` lists those that are",
            args.name
        );
    }
    if !args.client.is_json() {
        output::note(&format!("{} is not registered any more", args.name));
    }
    Ok(Exit::Success)
}
