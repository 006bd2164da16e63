//! Calls about keys of encryption, passed on except where the script says otherwise.

use async_trait::async_trait;

use super::{FaultyStore, Operation};
use crate::encryption_key::{EncryptionKey, EncryptionKeyStore};
use crate::error::Result;

#[async_trait]
impl EncryptionKeyStore for FaultyStore {
    async fn encryption_keys(&self) -> Result<Vec<EncryptionKey>> {
        self.call(Operation::EncryptionKeys, async |_| self.inner.encryption_keys().await).await
    }

    async fn add_encryption_key(&self, key: &EncryptionKey) -> Result<()> {
        self.call(Operation::AddEncryptionKey, async |_| self.inner.add_encryption_key(key).await)
            .await
    }
}
