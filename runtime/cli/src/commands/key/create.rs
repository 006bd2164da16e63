//! `dacapo key create`

use std::time::Duration;

use anyhow::{Result, bail};
use dacapo_model::access::{Grant, Grants};
use dacapo_model::time::Timestamp;
use dacapo_service::access::{Caller, NewApiKey, make_api_key};
use dacapo_service::clock::{Clock as _, SystemClock};
use serde_json::json;

use super::place::OfflineFlags;
use crate::args::ClientFlags;
use crate::client::wire::CreatedKey;
use crate::config::parse_duration;
use crate::exit::{Exit, UsageError};
use crate::output;

/// Makes a key. It is written to standard output, alone, and nothing shows it again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo key create admin --role admin --offline --database sqlite://./dacapo.db
  export DACAPO_API_KEY=$(dacapo key create deployments --role developer@shop --expires-in 90d)
  dacapo key create exports --role worker@shop --role reader@shop

Roles: reader, worker, developer, operator, admin; docs/access.md says what each may do.
Keep a key in DACAPO_API_KEY rather than on a command line, which other users of the
machine can read.")]
pub struct CreateArgs {
    /// What people call it.
    #[arg(value_name = "NAME")]
    name: String,

    /// What its bearer may do: a role in all namespaces, or in one. May be repeated.
    #[arg(long, value_name = "ROLE[@NAMESPACE]", required = true)]
    role: Vec<Grant>,

    /// After how long it is refused [default: never].
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    expires_in: Option<Duration>,

    #[command(flatten)]
    offline: OfflineFlags,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: CreateArgs) -> Result<Exit> {
    let grants = match Grants::new(args.role.iter().cloned()) {
        Ok(grants) => grants,
        Err(error) => bail!(UsageError(error.to_string())),
    };
    let expires_at = args.expires_in.map(|life| SystemClock.now().after(life));
    let text = if args.offline.offline {
        offline(&args, grants, expires_at).await?
    } else {
        let mut body = json!({"name": args.name, "grants": grants});
        if let Some(end) = expires_at {
            body["expires_at"] = json!(end);
        }
        args.client.client()?.create_key(&body).await?.text
    };
    if args.client.is_json() {
        output::line(&text)?;
        return Ok(Exit::Success);
    }
    let made: CreatedKey = serde_json::from_str(&text)?;
    output::line(&made.key)?;
    output::note(&format!(
        "key {} is made; it is not shown again. `dacapo key revoke {}` revokes it",
        made.api_key.id, made.api_key.id
    ));
    Ok(Exit::Success)
}

/// What a server would answer.
async fn offline(
    args: &CreateArgs,
    grants: Grants,
    expires_at: Option<Timestamp>,
) -> Result<String> {
    let (store, file) = args.offline.open().await?;
    let new = NewApiKey { name: args.name.clone(), grants, expires_at };
    let made = make_api_key(&*store, new, &Caller::at_the_database(), SystemClock.now()).await;
    if let Some(file) = file {
        file.close().await;
    }
    let (secret, key) = made?;
    let mut api_key = json!({
        "id": key.id.as_str(),
        "name": key.name,
        "grants": key.grants,
        "created_at": key.created_at,
    });
    if let Some(end) = key.expires_at {
        api_key["expires_at"] = json!(end);
    }
    Ok(json!({"key": secret.expose(), "api_key": api_key}).to_string())
}
