//! Reading updates.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use dacapo_model::ids::{RunId, RunKey, WorkflowHash};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_model::update::{AdmittedUpdate, Update};
use dacapo_store::error::Result;
use dacapo_store::record::RowName;
use dacapo_store::update::UpdateStore;
use uuid::Uuid;

use crate::{PostgresStore, error};

const TABLE: &str = "workflow_updates";

struct StoredUpdate {
    workflow_hash: i32,
    run_id: Uuid,
    update_id: String,
    update_name: String,
    input: Vec<u8>,
    admitted_at: DateTime<Utc>,
}

impl StoredUpdate {
    fn into_update(self) -> Result<(RunKey, AdmittedUpdate)> {
        let key = RunKey { hash: WorkflowHash(self.workflow_hash), run_id: RunId(self.run_id) };
        let row = RowName { table: TABLE, key: &key };
        let update = Update {
            id: row.parse("update_id", &self.update_id)?,
            name: row.parse("update_name", &self.update_name)?,
            input: Payload::from(self.input),
        };
        Ok((key, AdmittedUpdate { update, admitted_at: Timestamp::from(self.admitted_at) }))
    }
}

#[async_trait]
impl UpdateStore for PostgresStore {
    async fn run_updates(&self, keys: &[RunKey]) -> Result<Vec<(RunKey, AdmittedUpdate)>> {
        let hashes: Vec<i32> = keys.iter().map(|key| key.hash.0).collect();
        let run_ids: Vec<Uuid> = keys.iter().map(|key| key.run_id.0).collect();
        sqlx::query_file_as!(StoredUpdate, "queries/run_updates.sql", &hashes, &run_ids)
            .fetch_all(self.statement())
            .await
            .map_err(error::of_run(TABLE))?
            .into_iter()
            .map(StoredUpdate::into_update)
            .collect()
    }
}
