//! By which keys data were encrypted.

use std::sync::Arc;

use crate::Store;
use crate::encryption_key::EncryptionKey;

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("encryption_key.rs");

fn key(id: &str, check: &[u8]) -> EncryptionKey {
    EncryptionKey { id: id.to_owned(), check: check.to_vec() }
}

/// Servers that start at the same moment add the same one.
pub async fn the_first_encryption_key_of_a_name_counts(store: Arc<dyn Store>) {
    let keys = async || {
        let mut keys = store.encryption_keys().await.expect("reads");
        // A store that encrypts has noted its own.
        keys.retain(|key| key.id.len() == 1);
        keys
    };
    assert_eq!(keys().await, []);
    for added in [key("b", b"\x00first"), key("a", b"other"), key("b", b"second")] {
        store.add_encryption_key(&added).await.expect("is written");
    }
    assert_eq!(keys().await, [key("a", b"other"), key("b", b"\x00first")]);
}
