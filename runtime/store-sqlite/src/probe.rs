//! Finding out whether the file takes writes.

use async_trait::async_trait;
use dacapo_store::error::Result;
use dacapo_store::probe::ProbeStore;

use crate::{SqliteStore, error};

#[async_trait]
impl ProbeStore for SqliteStore {
    async fn probe_write(&self) -> Result<()> {
        let mut writing = self.begin().await?;
        self.counters.add_statements(1);
        sqlx::query!(
            "INSERT INTO write_probes (id, writes) VALUES (1, 1)
             ON CONFLICT (id) DO UPDATE SET writes = writes + 1"
        )
        .execute(&mut *writing)
        .await
        .map_err(error::on("write_probes"))?;
        writing.commit().await
    }
}
