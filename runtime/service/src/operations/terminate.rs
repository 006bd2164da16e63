//! Ends a run without asking it.

use dacapo_engine::decide::Input;
use dacapo_model::ids::RunId;

use super::RunRef;
use super::locate::{check_reason, closed};
use crate::error::Result;
use crate::tenancy::Tenant;

impl Tenant {
    /// Closes the run and stops what it has running.
    pub async fn terminate_run(&self, run: &RunRef, reason: String) -> Result<RunId> {
        self.shared.admit_write()?;
        check_reason(&reason)?;
        match self.send(run, Input::Terminate { reason }).await? {
            (run_id, Ok(())) => Ok(run_id),
            (run_id, Err(_closed)) => Err(closed(run, run_id)),
        }
    }
}
