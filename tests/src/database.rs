//! A database of its own for each test.

use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

/// Which database system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The embedded one.
    Sqlite,
    /// The one of production.
    Postgres,
}

/// A fresh database, gone when this is dropped. A server brings its tables.
#[derive(Debug)]
pub struct Database {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Sqlite(TempDir),
    Postgres { name: String },
}

impl Database {
    /// Makes one.
    pub async fn fresh(kind: Kind) -> Self {
        let place = match kind {
            Kind::Sqlite => Place::Sqlite(TempDir::new().expect("a folder for a database")),
            Kind::Postgres => {
                let name = fresh_name();
                execute(format!("CREATE DATABASE {name}")).await;
                Place::Postgres { name }
            }
        };
        Self { place }
    }

    /// Another one of the same kind.
    pub async fn another(&self) -> Self {
        Self::fresh(self.kind()).await
    }

    /// Which system it is.
    pub fn kind(&self) -> Kind {
        match self.place {
            Place::Sqlite(_) => Kind::Sqlite,
            Place::Postgres { .. } => Kind::Postgres,
        }
    }

    /// For `--database`.
    pub fn url(&self) -> String {
        match &self.place {
            Place::Sqlite(folder) => format!("sqlite://{}/dacapo.db", folder.path().display()),
            Place::Postgres { name } => postgres().database(name).to_url_lossy().to_string(),
        }
    }

    /// The name that PostgreSQL knows it by.
    pub fn name(&self) -> &str {
        match &self.place {
            Place::Sqlite(_) => panic!("only databases in PostgreSQL have names"),
            Place::Postgres { name } => name,
        }
    }

    /// A connection to it.
    pub async fn connect(&self) -> PgConnection {
        match &self.place {
            Place::Sqlite(_) => panic!("nobody but its server looks into a SQLite file"),
            Place::Postgres { name } => {
                let options = postgres().database(name);
                PgConnection::connect_with(&options).await.expect("the database answers")
            }
        }
    }

    /// A connection to the database beside it, where it can be watched from
    /// without being counted.
    pub async fn connect_beside(&self) -> PgConnection {
        PgConnection::connect_with(&postgres()).await.expect("the database server answers")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Place::Postgres { name } = &self.place else { return };
        let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        // A test's own runtime may be over, or may be the one that drops this.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(execute(statement));
        });
        let dropped = dropping.join();
        if !std::thread::panicking() {
            dropped.expect("the database is dropped");
        }
    }
}

fn postgres() -> PgConnectOptions {
    let Ok(url) = std::env::var("DATABASE_URL") else {
        panic!("DATABASE_URL names no PostgreSQL server: run `cargo xtask test`");
    };
    PgConnectOptions::from_str(&url).expect("DATABASE_URL is the URL of a PostgreSQL server")
}

async fn execute(statement: String) {
    let mut connection =
        PgConnection::connect_with(&postgres()).await.expect("the database server answers");
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.expect("is done");
    connection.close().await.expect("the connection closes");
}

#[expect(clippy::disallowed_methods, reason = "tests share a server, so names must not repeat")]
fn fresh_name() -> String {
    format!("dacapo_e2e_{}", Uuid::new_v4().simple())
}
