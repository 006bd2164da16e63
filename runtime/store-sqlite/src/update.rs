//! Reading updates.

use async_trait::async_trait;
use dacapo_model::ids::RunKey;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_model::update::{AdmittedUpdate, Update};
use dacapo_store::error::Result;
use dacapo_store::record::RowName;
use dacapo_store::update::UpdateStore;

use crate::{SqliteStore, error};

const TABLE: &str = "workflow_updates";

#[async_trait]
impl UpdateStore for SqliteStore {
    /// One statement per run: there is no round trip to save.
    async fn run_updates(&self, keys: &[RunKey]) -> Result<Vec<(RunKey, AdmittedUpdate)>> {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        let mut updates = Vec::new();
        for key in keys {
            let rows = sqlx::query!(
                "SELECT update_id, update_name, input, admitted_at
                 FROM workflow_updates
                 WHERE workflow_hash = ? AND run_id = ?
                 ORDER BY admitted_at, update_id",
                key.hash.0,
                key.run_id.0
            )
            .fetch_all(self.statement())
            .await
            .map_err(error::of_run(TABLE))?;
            for stored in rows {
                let row = RowName { table: TABLE, key: &key };
                let update = Update {
                    id: row.parse("update_id", &stored.update_id)?,
                    name: row.parse("update_name", &stored.update_name)?,
                    input: Payload::from(stored.input),
                };
                let admitted_at = Timestamp::from_micros(stored.admitted_at);
                updates.push((key, AdmittedUpdate { update, admitted_at }));
            }
        }
        Ok(updates)
    }
}
