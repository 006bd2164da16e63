//! `dacapo key revoke`

use anyhow::Result;
use dacapo_model::access::ApiKeyId;
use dacapo_service::access::{Caller, remove_api_key};
use dacapo_service::clock::{Clock as _, SystemClock};

use super::place::OfflineFlags;
use crate::args::ClientFlags;
use crate::exit::Exit;
use crate::output;

/// Revokes a key: the server refuses it at once, and other servers a second later. Answers
/// that are under way, such as a live history, go on to their end.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo key revoke 0123456789abcdef")]
pub struct RevokeArgs {
    /// The id of the key, which `dacapo key list` shows.
    #[arg(value_name = "ID")]
    id: ApiKeyId,

    #[command(flatten)]
    offline: OfflineFlags,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: RevokeArgs) -> Result<Exit> {
    let text = if args.offline.offline {
        let (store, file) = args.offline.open().await?;
        let by = Caller::at_the_database();
        let removed = remove_api_key(&*store, &args.id, &by, SystemClock.now()).await;
        if let Some(file) = file {
            file.close().await;
        }
        removed?;
        serde_json::json!({"id": args.id.as_str()}).to_string()
    } else {
        args.client.client()?.revoke_key(args.id.as_str()).await?.text
    };
    if args.client.is_json() {
        output::line(&text)?;
    } else {
        output::note(&format!("key {} is revoked", args.id));
    }
    Ok(Exit::Success)
}
