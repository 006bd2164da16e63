//! The suite that every backend passes, on a store that sees nothing but encrypted data.

use std::sync::Arc;

use dacapo_store::Store;
use dacapo_store::memory::MemoryStore;
use dacapo_store_encrypted::{EncryptedStore, KeyRing, Secret};

async fn on_a_fresh_store<F>(case: impl FnOnce(Arc<dyn Store>) -> F)
where
    F: Future<Output = ()>,
{
    let secret = Secret::parse("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").expect("a key");
    let keys = [("first".to_owned(), secret)].into();
    let keys = KeyRing::new(keys, Some("first".to_owned())).expect("keys");
    let store = EncryptedStore::wrap(Arc::new(MemoryStore::new()), keys).await.expect("fits");
    case(store).await;
}

dacapo_store::conformance_tests!(on_a_fresh_store);
