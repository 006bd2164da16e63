//! Published values.

use async_trait::async_trait;
use dacapo_model::ids::{QueryName, RunKey};
use dacapo_model::payload::Payload;

use super::MemoryStore;
use crate::error::Result;
use crate::query_result::QueryResultStore;

#[async_trait]
impl QueryResultStore for MemoryStore {
    async fn query_result(&self, key: RunKey, name: &QueryName) -> Result<Option<Payload>> {
        Ok(self.read(|state| state.query_results.get(&(key, name.clone())).cloned()))
    }

    async fn query_result_names(&self, key: RunKey) -> Result<Vec<QueryName>> {
        Ok(self.read(|state| {
            let names = state.query_results.keys().filter(|(run, _)| *run == key);
            names.map(|(_, name)| name.clone()).collect()
        }))
    }
}
