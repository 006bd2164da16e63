//! By which keys data were encrypted.

use async_trait::async_trait;
use dacapo_store::encryption_key::{EncryptionKey, EncryptionKeyStore};
use dacapo_store::error::Result;

use crate::{SqliteStore, error};

const TABLE: &str = "encryption_keys";

#[async_trait]
impl EncryptionKeyStore for SqliteStore {
    async fn encryption_keys(&self) -> Result<Vec<EncryptionKey>> {
        self.counters.add_statements(1);
        sqlx::query_as!(
            EncryptionKey,
            r#"SELECT id, check_value AS "check" FROM encryption_keys ORDER BY id"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(error::on(TABLE))
    }

    async fn add_encryption_key(&self, key: &EncryptionKey) -> Result<()> {
        let mut writing = self.begin().await?;
        self.counters.add_statements(1);
        sqlx::query!(
            "INSERT INTO encryption_keys (id, check_value) VALUES (?, ?)
             ON CONFLICT (id) DO NOTHING",
            key.id,
            key.check
        )
        .execute(&mut *writing)
        .await
        .map_err(error::on(TABLE))?;
        writing.commit().await
    }
}
