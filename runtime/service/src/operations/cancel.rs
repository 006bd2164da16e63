//! Asks a run to cancel.

use dacapo_engine::decide::{Input, Refusal};
use dacapo_model::ids::{RequestId, RunId};

use super::RunRef;
use super::locate::{check_reason, closed, send};
use crate::Runtime;
use crate::error::Result;

impl Runtime {
    /// Records the request; the run decides what to do about it. A second
    /// request has no effect, and is no error.
    pub async fn request_cancel(
        &self,
        run: &RunRef,
        reason: String,
        request_id: Option<RequestId>,
    ) -> Result<RunId> {
        check_reason(&reason)?;
        let input = Input::RequestCancel { reason, request_id };
        match send(&self.shared, run, input).await? {
            (run_id, Err(Refusal::Closed)) => Err(closed(run, run_id)),
            (run_id, _) => Ok(run_id),
        }
    }
}
