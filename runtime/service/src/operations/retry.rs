//! Lets a blocked run try again.

use dacapo_engine::decide::{Input, Refusal};
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::RunId;

use super::RunRef;
use super::locate::closed;
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;

impl Tenant {
    /// Replays the run's history in a new instance and goes on from there. If
    /// the reason of the block is still there, the run is blocked again.
    pub async fn retry_run(&self, run: &RunRef) -> Result<RunId> {
        self.shared.admit_write()?;
        match self.send(run, Input::Retry).await? {
            (run_id, Ok(())) => Ok(run_id),
            (run_id, Err(Refusal::Closed)) => Err(closed(run, run_id)),
            (run_id, Err(_not_blocked)) => Err(ServiceError::new(
                ErrorCode::InvalidArgument,
                "the run is not blocked: there is nothing to try again",
            )
            .with("run_id", run_id)
            .with("status", ExecutionStatus::Running.as_str())),
        }
    }
}
