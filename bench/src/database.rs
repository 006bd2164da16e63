//! The database of a measurement: fresh, and gone afterwards.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use dacapo_cli::config::Database as Address;
use dacapo_cli::output;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::guest::work_folder;
use crate::observer::Observer;

/// A database that a server can use.
pub(crate) enum Database {
    /// A file.
    Sqlite {
        path: PathBuf,
        /// Removed with all that is in it.
        _folder: Option<TempDir>,
    },
    /// A database of a PostgreSQL server.
    Postgres {
        /// The one that was named: the way to the server.
        beside: Box<PgConnectOptions>,
        name: String,
        /// Whether it goes away in the end.
        ours: bool,
    },
}

impl Database {
    /// As the flag says; see `args.rs`.
    pub(crate) async fn fresh(address: Option<&Address>, keep: bool) -> Result<Self> {
        match address {
            None => {
                let folder =
                    tempfile::Builder::new().prefix("sqlite-").tempdir_in(work_folder()?)?;
                let path = folder.path().join("dacapo.db");
                if keep {
                    let folder = folder.keep();
                    output::note(&format!("the database stays in {}", folder.display()));
                    return Ok(Self::Sqlite { path, _folder: None });
                }
                Ok(Self::Sqlite { path, _folder: Some(folder) })
            }
            Some(Address::Sqlite(path)) => Ok(Self::Sqlite { path: path.clone(), _folder: None }),
            Some(Address::Postgres(url)) => {
                let beside: PgConnectOptions = url.expose().parse()?;
                let name = fresh_name();
                execute(&beside, format!("CREATE DATABASE {name}")).await?;
                if keep {
                    output::note(&format!("the database {name} stays"));
                }
                Ok(Self::Postgres { beside: beside.into(), name, ours: !keep })
            }
        }
    }

    /// One that a running server uses.
    pub(crate) fn of_server(address: &Address) -> Result<Self> {
        Ok(match address {
            Address::Sqlite(path) => Self::Sqlite { path: path.clone(), _folder: None },
            Address::Postgres(url) => {
                let beside: PgConnectOptions = url.expose().parse()?;
                let name = beside.get_database().unwrap_or("postgres").to_owned();
                let beside = beside.database("postgres");
                Self::Postgres { beside: beside.into(), name, ours: false }
            }
        })
    }

    /// Which system it is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgres",
        }
    }

    /// For `--database`.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite { path, .. } => format!("sqlite://{}", path.display()),
            Self::Postgres { beside, name, .. } => {
                beside.as_ref().clone().database(name).to_url_lossy().to_string()
            }
        }
    }

    /// Something that watches it, if it can be watched.
    pub(crate) async fn observer(&self) -> Result<Option<Observer>> {
        match self {
            Self::Sqlite { .. } => Ok(None),
            Self::Postgres { beside, name, .. } => Ok(Some(Observer::connect(beside, name).await?)),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::Postgres { beside, name, ours: true } = self else { return };
        let (beside, statement) =
            (beside.clone(), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        // The runtime of this thread may be the one that drops this.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(execute(&beside, statement))
        });
        if !matches!(dropping.join(), Ok(Ok(()))) {
            output::note(&format!("the database {name} could not be dropped"));
        }
    }
}

async fn execute(server: &PgConnectOptions, statement: String) -> Result<()> {
    let mut connection =
        PgConnection::connect_with(server).await.context("can't connect to PostgreSQL")?;
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "measurements share a server: names must not repeat")]
fn fresh_name() -> String {
    format!("dacapo_bench_{}", Uuid::new_v4().simple())
}
