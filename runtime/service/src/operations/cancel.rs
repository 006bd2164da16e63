//! Asks a run to cancel.

use std::sync::Arc;

use dacapo_engine::decide::{Input, Refusal};
use dacapo_model::ids::{RequestId, RunId};

use super::RunRef;
use super::locate::{check_reason, closed, send};
use crate::Runtime;
use crate::error::Result;
use crate::runtime::Shared;

impl Runtime {
    /// Records the request; the run decides what to do about it. A second
    /// request has no effect, and is no error.
    pub async fn request_cancel(
        &self,
        run: &RunRef,
        reason: String,
        request_id: Option<RequestId>,
    ) -> Result<RunId> {
        request_cancel(&self.shared, run, reason, request_id).await
    }
}

/// Asks a run to cancel, for a client or for another run.
pub(crate) async fn request_cancel(
    shared: &Arc<Shared>,
    run: &RunRef,
    reason: String,
    request_id: Option<RequestId>,
) -> Result<RunId> {
    check_reason(&reason)?;
    let input = Input::RequestCancel { reason, request_id };
    match send(shared, run, input).await? {
        (run_id, Err(Refusal::Closed)) => Err(closed(run, run_id)),
        (run_id, _) => Ok(run_id),
    }
}
