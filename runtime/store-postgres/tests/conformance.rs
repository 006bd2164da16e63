//! The suite that every backend passes, as a user that has no more rights than servers need.

use std::sync::Arc;

use dacapo_store::Store;

#[path = "support/servers.rs"]
mod servers;

async fn on_a_fresh_store<F>(case: impl FnOnce(Arc<dyn Store>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    servers::with_the_rights_of_servers(|store| case(store)).await;
}

dacapo_store::conformance_tests!(on_a_fresh_store);
