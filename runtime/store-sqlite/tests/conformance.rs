//! The suite that every backend passes.

use std::sync::Arc;

use dacapo_store::Store;
use dacapo_store_sqlite::SqliteStore;

async fn on_a_fresh_store<F>(case: impl FnOnce(Arc<dyn Store>) -> F)
where
    F: Future<Output = ()>,
{
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = SqliteStore::open(directory.path().join("dacapo.db")).await.expect("opens");
    case(Arc::new(store)).await;
}

dacapo_store::conformance_tests!(on_a_fresh_store);
