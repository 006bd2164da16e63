//! The in-memory store passes the suite that the databases must pass.

use std::sync::Arc;

use dacapo_store::Store;
use dacapo_store::memory::MemoryStore;

async fn on_a_fresh_store<F>(case: impl FnOnce(Arc<dyn Store>) -> F)
where
    F: Future<Output = ()>,
{
    case(Arc::new(MemoryStore::new())).await;
}

dacapo_store::conformance_tests!(on_a_fresh_store);
