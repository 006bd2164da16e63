//! A database of its own for every test, on the server in `DATABASE_URL`.

use std::sync::Arc;

use dacapo_store_postgres::PostgresStore;

mod fresh;

use self::fresh::Fresh;

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
