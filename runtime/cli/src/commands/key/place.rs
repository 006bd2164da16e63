//! Where keys are kept: behind a server, or in a database at hand.

use std::sync::Arc;

use anyhow::{Result, bail};
use dacapo_store::Store;

use crate::config::Database;
use crate::exit::UsageError;
use crate::store::{self, OpenFile};

/// Asks no server.
#[derive(Debug, clap::Args)]
pub(super) struct OfflineFlags {
    /// Work on the database itself, without a server: for the first key, and when no key is
    /// at hand. Who can write to the database needs no key.
    #[arg(long, help_heading = "Database")]
    pub(super) offline: bool,

    /// The database for --offline: postgres://USER@HOST/NAME or sqlite://PATH. A SQLite file
    /// is free only while no server has it.
    #[arg(
        long,
        value_name = "URL",
        env = "DACAPO_DATABASE",
        hide_env_values = true,
        help_heading = "Database"
    )]
    database: Option<Database>,
}

impl OfflineFlags {
    /// The database, with its tables up to date. A file is to be closed.
    pub(super) async fn open(&self) -> Result<(Arc<dyn Store>, Option<OpenFile>)> {
        let Some(database) = &self.database else {
            bail!(UsageError(
                "which database? Set --database or DACAPO_DATABASE with --offline".to_owned()
            ));
        };
        store::open(database, true).await
    }
}
