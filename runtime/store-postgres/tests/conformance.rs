//! The suite that every backend passes.

use std::sync::Arc;

use dacapo_store::Store;

mod support;

async fn on_a_fresh_store<F>(case: impl FnOnce(Arc<dyn Store>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    support::on_a_fresh_database(|store, _| case(store)).await;
}

dacapo_store::conformance_tests!(on_a_fresh_store);
