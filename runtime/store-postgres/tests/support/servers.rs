//! Stores with the rights of servers, and no more.

use std::sync::Arc;

use dacapo_store_postgres::PostgresStore;

#[path = "fresh.rs"]
mod fresh;

use self::fresh::Fresh;

/// Runs a test on a fresh, migrated database, with a store that has connected as a user with
/// the role `dacapo_app` and no other right. Drops both whether or not the test panicked.
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
