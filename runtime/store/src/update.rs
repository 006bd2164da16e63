//! Updates that the guest has not decided about (`workflow_updates`). Their callers
//! were told that they are kept; what the guest accepts is an event, and the row is
//! gone.

use async_trait::async_trait;
use dacapo_model::ids::RunKey;
use dacapo_model::update::AdmittedUpdate;

use crate::error::Result;

/// Reading updates.
#[async_trait]
pub trait UpdateStore: Send + Sync {
    /// All updates of several runs, in the order (run, arrival, id).
    async fn run_updates(&self, keys: &[RunKey]) -> Result<Vec<(RunKey, AdmittedUpdate)>>;
}
