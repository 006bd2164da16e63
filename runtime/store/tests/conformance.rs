//! The in-memory store passes the suite that the databases must pass.

use std::sync::Arc;

use dacapo_model::ids::EventId;
use dacapo_store::Store;
use dacapo_store::conformance::damage;
use dacapo_store::memory::MemoryStore;

async fn on_a_fresh_store<F>(case: impl FnOnce(Arc<dyn Store>) -> F)
where
    F: Future<Output = ()>,
{
    case(Arc::new(MemoryStore::new())).await;
}

dacapo_store::conformance_tests!(on_a_fresh_store);

#[tokio::test]
async fn a_parent_that_can_not_be_read_is_no_run_without_parent() {
    let store = Arc::new(MemoryStore::new());
    let spoil = async |key| store.spoil_event(key, EventId::FIRST);
    damage::a_parent_that_can_not_be_read_is_no_run_without_parent(store.clone(), spoil).await;
}
