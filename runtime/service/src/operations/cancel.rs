//! Asks a run to cancel.

use dacapo_engine::decide::{Input, Refusal};
use dacapo_model::ids::{RequestId, RunId};

use super::RunRef;
use super::locate::{check_reason, closed};
use crate::error::Result;
use crate::tenancy::Tenant;

impl Tenant {
    /// Records the request; the run decides what to do about it. A second
    /// request has no effect, and is no error.
    pub async fn request_cancel(
        &self,
        run: &RunRef,
        reason: String,
        request_id: Option<RequestId>,
    ) -> Result<RunId> {
        self.shared.admit_write()?;
        check_reason(&reason)?;
        let input = Input::RequestCancel { reason, request_id };
        match self.send(run, input).await? {
            (run_id, Err(Refusal::Closed)) => Err(closed(run, run_id)),
            (run_id, _) => Ok(run_id),
        }
    }
}
