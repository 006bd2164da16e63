//! Ends a run without asking it.

use dacapo_engine::decide::Input;
use dacapo_model::ids::RunId;

use super::RunRef;
use super::locate::{check_reason, closed, send};
use crate::Runtime;
use crate::error::Result;

impl Runtime {
    /// Closes the run and stops what it has running.
    pub async fn terminate_run(&self, run: &RunRef, reason: String) -> Result<RunId> {
        check_reason(&reason)?;
        match send(&self.shared, run, Input::Terminate { reason }).await? {
            (run_id, Ok(())) => Ok(run_id),
            (run_id, Err(_closed)) => Err(closed(run, run_id)),
        }
    }
}
