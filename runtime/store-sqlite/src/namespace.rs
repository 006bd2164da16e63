//! Reading namespaces.

use async_trait::async_trait;
use dacapo_model::ids::NamespaceName;
use dacapo_store::error::Result;
use dacapo_store::namespace::NamespaceStore;
use dacapo_store::record::RowName;

use crate::{SqliteStore, error};

const TABLE: &str = "namespaces";

#[async_trait]
impl NamespaceStore for SqliteStore {
    async fn namespaces(&self) -> Result<Vec<NamespaceName>> {
        sqlx::query_scalar!("SELECT name FROM namespaces ORDER BY name")
            .fetch_all(self.statement())
            .await
            .map_err(error::on(TABLE))?
            .into_iter()
            .map(|name| RowName { table: TABLE, key: &name }.parse("name", &name))
            .collect()
    }
}
