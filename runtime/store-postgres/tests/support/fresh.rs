//! A database of its own, on the server in `DATABASE_URL`.

use std::str::FromStr as _;

use dacapo_store_postgres::{PostgresOptions, PostgresStore};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use uuid::Uuid;

/// A database of one test.
pub(crate) struct Fresh {
    pub(crate) name: String,
    pub(crate) options: PgConnectOptions,
    /// To the database beside it, as whoever may make databases.
    admin: PgConnection,
}

impl Fresh {
    pub(crate) async fn make() -> Self {
        let server = std::env::var("DATABASE_URL").expect(
            "DATABASE_URL names no PostgreSQL server; run the tests with `cargo xtask test`",
        );
        #[expect(clippy::disallowed_methods, reason = "test processes share the server")]
        let name = format!("dacapo_test_{}", Uuid::new_v4().simple());
        let options = PgConnectOptions::from_str(&server).expect("a PostgreSQL URL");
        let admin = PgConnection::connect_with(&options).await.expect("the server answers");
        let mut fresh = Self { options: options.database(&name), name, admin };
        fresh.execute(format!("CREATE DATABASE {}", fresh.name)).await;
        fresh
    }

    pub(crate) fn url(&self) -> String {
        self.options.to_url_lossy().to_string()
    }

    pub(crate) async fn connect(&self) -> PostgresStore {
        PostgresStore::connect(&self.url(), PostgresOptions::default()).await.expect("connects")
    }

    pub(crate) async fn execute(&mut self, statement: String) {
        let executed = sqlx::query(AssertSqlSafe(statement)).execute(&mut self.admin).await;
        executed.expect("the server does it");
    }

    pub(crate) async fn drop(mut self) {
        self.execute(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}
