//! A database of its own for every test, on the server in `DATABASE_URL`.

use std::str::FromStr;
use std::sync::Arc;

use dacapo_store_postgres::{PostgresOptions, PostgresStore};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use uuid::Uuid;

/// Runs a test on a fresh, migrated database, and drops it whether or not the
/// test panicked.
pub(crate) async fn on_a_fresh_database<F>(test: impl FnOnce(Arc<PostgresStore>, String) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    on_a_database(true, test).await;
}

/// The same on one that is empty unless it is to be `migrated`.
pub(crate) async fn on_a_database<F>(
    migrated: bool,
    test: impl FnOnce(Arc<PostgresStore>, String) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let database = Fresh::make().await;
    let store = database.connect().await;
    if migrated {
        store.migrate().await.expect("migrates");
    }
    let outcome = tokio::spawn(test(Arc::new(store), database.url())).await;
    database.drop().await;
    if let Err(failure) = outcome {
        std::panic::resume_unwind(failure.into_panic());
    }
}

/// The same as [`on_a_fresh_database`], for a store that has connected as a user with the role
/// `dacapo_app` and no other right.
pub(crate) async fn with_the_rights_of_servers<F>(test: impl FnOnce(Arc<PostgresStore>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut database = Fresh::make().await;
    let owner = database.connect().await;
    owner.migrate().await.expect("migrates");
    owner.make_roles().await.expect("makes the roles");
    owner.close().await;
    // Of no other test.
    let user = database.name.clone();
    database
        .execute(format!("CREATE ROLE {user} LOGIN PASSWORD '{user}' IN ROLE dacapo_app"))
        .await;
    database.options = database.options.username(&user).password(&user);
    let store = database.connect().await;
    let outcome = tokio::spawn(test(Arc::new(store))).await;
    database.execute(format!("DROP ROLE {user}")).await;
    database.drop().await;
    if let Err(failure) = outcome {
        std::panic::resume_unwind(failure.into_panic());
    }
}

/// A database of one test.
struct Fresh {
    name: String,
    options: PgConnectOptions,
    /// To the database beside it, as whoever may make databases.
    admin: PgConnection,
}

impl Fresh {
    async fn make() -> Self {
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

    fn url(&self) -> String {
        self.options.to_url_lossy().to_string()
    }

    async fn connect(&self) -> PostgresStore {
        PostgresStore::connect(&self.url(), PostgresOptions::default()).await.expect("connects")
    }

    async fn execute(&mut self, statement: String) {
        let executed = sqlx::query(AssertSqlSafe(statement)).execute(&mut self.admin).await;
        executed.expect("the server does it");
    }

    async fn drop(mut self) {
        self.execute(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}
