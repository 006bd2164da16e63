//! By which keys data were encrypted (`encryption_keys`): not the keys, but by what a key is
//! recognised as the same.
//!
//! Nobody owns them, as with [`access`](crate::access): no epoch guards them.

use async_trait::async_trait;

use crate::error::Result;

/// A key that data may have been encrypted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionKey {
    /// Its name in the configuration.
    pub id: String,
    /// Something known, encrypted with it.
    pub check: Vec<u8>,
}

/// Keeping them.
#[async_trait]
pub trait EncryptionKeyStore: Send + Sync {
    /// All of them, by name.
    async fn encryption_keys(&self) -> Result<Vec<EncryptionKey>>;

    /// Keeps one, unless one with its name is there: the first is the one that counts.
    async fn add_encryption_key(&self, key: &EncryptionKey) -> Result<()>;
}
