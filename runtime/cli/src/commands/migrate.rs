//! `dacapo migrate`

use anyhow::Result;

use crate::config::Database;
use crate::exit::Exit;
use crate::{output, store};

/// Brings the tables of a database up to date and ends. Safe to run while
/// servers are up, and to run twice.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  dacapo migrate --database postgres://dacapo@db.internal/dacapo --roles"
)]
pub struct MigrateArgs {
    /// postgres://USER@HOST/NAME or sqlite://PATH.
    #[arg(long, value_name = "URL", env = "DACAPO_DATABASE", hide_env_values = true)]
    database: Database,
    /// Also make the roles `dacapo_app`, for servers, and `dacapo_readonly`, for people, in
    /// PostgreSQL, and give them their rights in this database.
    ///
    /// Needs a user that owns the tables and, if the roles are not there, may make some.
    #[arg(long)]
    roles: bool,
}

pub(super) async fn run(args: MigrateArgs) -> Result<Exit> {
    if args.roles {
        store::make_roles(&args.database).await?;
        output::note(&format!("{} is up to date, and has its roles", args.database));
    } else {
        store::open(&args.database, true).await?;
        output::note(&format!("{} is up to date", args.database));
    }
    Ok(Exit::Success)
}
