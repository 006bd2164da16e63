//! Reading published values.

use async_trait::async_trait;
use dacapo_model::ids::{QueryName, RunKey};
use dacapo_model::payload::Payload;
use dacapo_store::error::Result;
use dacapo_store::query_result::QueryResultStore;
use dacapo_store::record::RowName;

use crate::{PostgresStore, error};

const TABLE: &str = "workflow_query_results";

#[async_trait]
impl QueryResultStore for PostgresStore {
    async fn query_result(&self, key: RunKey, name: &QueryName) -> Result<Option<Payload>> {
        let value = sqlx::query_file_scalar!(
            "queries/query_result.sql",
            key.hash.0,
            key.run_id.0,
            name.as_str()
        )
        .fetch_optional(self.statement())
        .await
        .map_err(error::of_run(TABLE))?;
        Ok(value.map(Payload::from))
    }

    async fn query_result_names(&self, key: RunKey) -> Result<Vec<QueryName>> {
        let row = RowName { table: TABLE, key: &key };
        sqlx::query_file_scalar!("queries/query_result_names.sql", key.hash.0, key.run_id.0)
            .fetch_all(self.statement())
            .await
            .map_err(error::of_run(TABLE))?
            .iter()
            .map(|name| row.parse("query_name", name))
            .collect()
    }
}
