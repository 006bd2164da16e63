//! What may be wrong with a file, and with the place for it. Looked at without changing it.

use std::path::Path;

use dacapo_store::error::{Result, StoreError};
use dacapo_store::migrations::{AppliedMigration, KnownMigration, MigrationState};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use crate::error::unavailable;
use crate::{BUSY_TIMEOUT, migrations, options};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// How SQLite keeps what is not in the file yet: `wal` once a server had it.
    pub journal_mode: String,
    /// Which tables are there.
    pub migrations: MigrationState,
}

/// Looks at a file that is there. A server may have it open.
pub async fn examine(path: &Path) -> Result<Examination> {
    let options =
        SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
    look(&options).await.map_err(unavailable)
}

async fn look(options: &SqliteConnectOptions) -> sqlx::Result<Examination> {
    let mut connection = options.connect().await?;
    let journal_mode = journal_mode(&mut connection).await?;
    let has_migrations: bool = sqlx::query_scalar(
        "SELECT count(*) > 0 FROM sqlite_schema WHERE name = '_sqlx_migrations'",
    )
    .fetch_one(&mut connection)
    .await?;
    let rows = match has_migrations {
        true => {
            let applied = "SELECT version, success, checksum FROM _sqlx_migrations";
            sqlx::query(applied).fetch_all(&mut connection).await?
        }
        false => Vec::new(),
    };
    connection.close().await?;
    Ok(Examination { journal_mode, migrations: state_of(&rows)? })
}

/// Tries in a file that is not there yet whether the folder and its file system will do. The
/// caller removes the file, and those beside it.
pub async fn try_place(path: &Path) -> Result<()> {
    let journal_mode = write(path).await.map_err(unavailable)?;
    if journal_mode == "wal" {
        return Ok(());
    }
    let problem = format!("the file system allows no write-ahead log, but `{journal_mode}`");
    Err(StoreError::Unavailable { source: problem.into() })
}

async fn write(path: &Path) -> sqlx::Result<String> {
    let mut connection = options(path).connect().await?;
    let journal_mode = journal_mode(&mut connection).await?;
    sqlx::query("CREATE TABLE trial (id INTEGER)").execute(&mut connection).await?;
    connection.close().await?;
    Ok(journal_mode)
}

async fn journal_mode(connection: &mut SqliteConnection) -> sqlx::Result<String> {
    sqlx::query_scalar("PRAGMA journal_mode").fetch_one(connection).await
}

fn state_of(rows: &[SqliteRow]) -> sqlx::Result<MigrationState> {
    let applied = |row: &SqliteRow| {
        Ok(AppliedMigration {
            version: row.try_get("version")?,
            checksum: row.try_get("checksum")?,
            success: row.try_get("success")?,
        })
    };
    let applied = rows.iter().map(applied).collect::<sqlx::Result<Vec<_>>>()?;
    let migrations = migrations();
    let known =
        migrations.iter().map(|it| KnownMigration { version: it.version, checksum: &it.checksum });
    Ok(MigrationState::of(known, &applied))
}
