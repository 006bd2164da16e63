//! Finding out whether the server takes writes.

use async_trait::async_trait;
use dacapo_store::error::Result;
use dacapo_store::probe::ProbeStore;

use crate::error::unavailable;
use crate::{PostgresStore, error};

#[async_trait]
impl ProbeStore for PostgresStore {
    /// On a connection for commits: its session is what commits depend on.
    async fn probe_write(&self) -> Result<()> {
        self.counters.add_statements(1);
        let outcome = self.write_probe().await;
        self.lineage.judge(outcome)
    }
}

impl PostgresStore {
    async fn write_probe(&self) -> Result<()> {
        let mut taken = self.commits.take().await.map_err(unavailable)?;
        self.lineage.check()?;
        let writing = sqlx::query!(
            "INSERT INTO write_probes AS probe (id, writes) VALUES (1, 1)
             ON CONFLICT (id) DO UPDATE SET writes = probe.writes + 1"
        )
        .execute(&mut *taken);
        self.patience.with(writing).await.flatten().map_err(error::on("write_probes"))?;
        self.commits.keep(taken);
        Ok(())
    }
}
