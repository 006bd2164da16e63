//! Values that runs have published (`workflow_query_results`). Answered without
//! asking the guest, also after the run's end.

use async_trait::async_trait;
use dacapo_model::ids::{QueryName, RunKey};
use dacapo_model::payload::Payload;

use crate::error::Result;

/// Reading published values.
#[async_trait]
pub trait QueryResultStore: Send + Sync {
    /// The value of a name, if the run has published it.
    async fn query_result(&self, key: RunKey, name: &QueryName) -> Result<Option<Payload>>;

    /// The names that a run has published, in order.
    async fn query_result_names(&self, key: RunKey) -> Result<Vec<QueryName>>;
}
