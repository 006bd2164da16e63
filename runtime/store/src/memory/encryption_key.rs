//! By which keys data were encrypted.

use async_trait::async_trait;

use super::MemoryStore;
use crate::encryption_key::{EncryptionKey, EncryptionKeyStore};
use crate::error::Result;

#[async_trait]
impl EncryptionKeyStore for MemoryStore {
    async fn encryption_keys(&self) -> Result<Vec<EncryptionKey>> {
        Ok(self.read(|state| {
            let keys = state.encryption_keys.iter();
            keys.map(|(id, check)| EncryptionKey { id: id.clone(), check: check.clone() }).collect()
        }))
    }

    async fn add_encryption_key(&self, key: &EncryptionKey) -> Result<()> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        state.encryption_keys.entry(key.id.clone()).or_insert_with(|| key.check.clone());
        Ok(())
    }
}
