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
    let server = std::env::var("DATABASE_URL")
        .expect("DATABASE_URL names no PostgreSQL server; run the tests with `cargo xtask test`");
    #[expect(clippy::disallowed_methods, reason = "test processes share the server")]
    let name = format!("dacapo_test_{}", Uuid::new_v4().simple());
    let options = PgConnectOptions::from_str(&server).expect("a PostgreSQL URL");
    let url = options.clone().database(&name).to_url_lossy().to_string();

    let mut admin = PgConnection::connect_with(&options).await.expect("the server answers");
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut admin)
        .await
        .expect("creates a database");
    let store = PostgresStore::connect(&url, PostgresOptions::default()).await.expect("connects");
    if migrated {
        store.migrate().await.expect("migrates");
    }

    let outcome = tokio::spawn(test(Arc::new(store), url)).await;
    sqlx::query(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)")))
        .execute(&mut admin)
        .await
        .expect("drops the database");
    if let Err(failure) = outcome {
        std::panic::resume_unwind(failure.into_panic());
    }
}

/// The same as [`on_a_fresh_database`], for a store that has connected as a user with the role
/// `dacapo_app` and no other right.
pub(crate) async fn with_the_rights_of_servers<F>(
    test: impl FnOnce(Arc<PostgresStore>) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    on_a_fresh_database(|owner, url| async move {
        owner.make_roles().await.expect("makes the roles");
        let options = PgConnectOptions::from_str(&url).expect("a PostgreSQL URL");
        let user = options.get_database().expect("a database of its own").to_owned();
        let mut admin = PgConnection::connect_with(&options).await.expect("connects");
        let create = format!("CREATE ROLE {user} LOGIN PASSWORD '{user}' IN ROLE dacapo_app");
        sqlx::query(AssertSqlSafe(create)).execute(&mut admin).await.expect("makes a user");

        let url = options.username(&user).password(&user).to_url_lossy().to_string();
        let store = PostgresStore::connect(&url, PostgresOptions::default()).await;
        let outcome = tokio::spawn(test(Arc::new(store.expect("connects")))).await;
        let drop = format!("DROP ROLE {user}");
        sqlx::query(AssertSqlSafe(drop)).execute(&mut admin).await.expect("removes the user");
        if let Err(failure) = outcome {
            std::panic::resume_unwind(failure.into_panic());
        }
    })
    .await;
}
