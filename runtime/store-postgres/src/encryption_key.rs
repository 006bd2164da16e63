//! By which keys data were encrypted.

use async_trait::async_trait;
use dacapo_store::encryption_key::{EncryptionKey, EncryptionKeyStore};
use dacapo_store::error::Result;

use crate::{PostgresStore, error};

const TABLE: &str = "encryption_keys";

#[async_trait]
impl EncryptionKeyStore for PostgresStore {
    async fn encryption_keys(&self) -> Result<Vec<EncryptionKey>> {
        sqlx::query_as!(
            EncryptionKey,
            r#"SELECT id, check_value AS "check" FROM encryption_keys ORDER BY id"#
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(TABLE))
    }

    async fn add_encryption_key(&self, key: &EncryptionKey) -> Result<()> {
        sqlx::query!(
            "INSERT INTO encryption_keys (id, check_value) VALUES ($1, $2)
             ON CONFLICT (id) DO NOTHING",
            key.id,
            key.check
        )
        .execute(self.statement())
        .await
        .map_err(error::on(TABLE))?;
        Ok(())
    }
}
