//! `dacapo namespace create`

use anyhow::Result;
use dacapo_model::ids::NamespaceName;
use serde_json::json;

use super::settings::SettingsFlags;
use super::show::describe;
use crate::args::ClientFlags;
use crate::exit::{Exit, UsageError};
use crate::output;

/// Makes a namespace. Its activities may reach no host and have no secrets, unless that is
/// said.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo namespace create shop
  dacapo namespace create shop --retention 30days --open-runs 10000 --start-rate 50
  dacapo namespace create shop --allow-host api.stripe.com --secret STRIPE_KEY

A repeat with the same settings finds the namespace that is there.")]
pub struct CreateArgs {
    /// Its name.
    #[arg(value_name = "NAME")]
    name: NamespaceName,

    #[command(flatten)]
    settings: SettingsFlags,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: CreateArgs) -> Result<Exit> {
    let mut body = args.settings.body().map_err(UsageError)?;
    body.insert("name".to_owned(), json!(args.name));
    let answer = args.client.client()?.create_namespace(&body.into()).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    output::line(&describe(&answer.read()?))?;
    Ok(Exit::Success)
}
