//! `dacapo migrate`

use anyhow::Result;

use crate::config::Database;
use crate::exit::Exit;
use crate::{output, store};

/// Brings the tables of a database up to date and ends. Safe to run while
/// servers are up, and to run twice.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  dacapo migrate --database postgres://dacapo@db.internal/dacapo"
)]
pub struct MigrateArgs {
    /// postgres://USER@HOST/NAME or sqlite://PATH.
    #[arg(long, value_name = "URL", env = "DACAPO_DATABASE", hide_env_values = true)]
    database: Database,
}

pub(super) async fn run(args: MigrateArgs) -> Result<Exit> {
    store::open(&args.database, true).await?;
    output::note(&format!("{} is up to date", args.database));
    Ok(Exit::Success)
}
