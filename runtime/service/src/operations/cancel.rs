//! Asks a run to cancel.

use dacapo_engine::decide::{Input, Refusal};
use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::ids::{RequestId, RunId, RunKey};

use super::RunRef;
use super::locate::{check_reason, closed};
use crate::delivery::{Address, Reached, find};
use crate::error::Result;
use crate::tenancy::Tenant;

impl Tenant {
    /// Records the request; the run decides what to do about it. A second
    /// request has no effect, and is no error. A repeat of one that was recorded is
    /// answered like the first, also when its run has closed since.
    pub async fn request_cancel(
        &self,
        run: &RunRef,
        reason: String,
        request_id: Option<RequestId>,
    ) -> Result<RunId> {
        self.shared.admit_write()?;
        check_reason(&reason)?;
        let input = Input::RequestCancel { reason, request_id: request_id.clone() };
        match self.send(run, input).await? {
            (run_id, Err(Refusal::Closed)) => {
                let key = self.key_of(run, run_id);
                match &request_id {
                    Some(id) if self.has_recorded_cancel(key, id).await? => Ok(run_id),
                    _ => Err(closed(run, run_id)),
                }
            }
            (run_id, _) => Ok(run_id),
        }
    }

    /// Whether a run has closed after it had recorded this request to cancel.
    pub(crate) async fn was_asked_to_cancel(&self, run: &RunRef, id: &RequestId) -> Result<bool> {
        match find(&self.shared, Address::Named(&self.namespace, run)).await? {
            Reached::Closed(execution) => self.has_recorded_cancel(execution.key, id).await,
            _ => Ok(false),
        }
    }

    async fn has_recorded_cancel(&self, key: RunKey, id: &RequestId) -> Result<bool> {
        let is_it = |event: &HistoryEvent| {
            Ok(matches!(
                &event.attributes,
                EventAttributes::WorkflowExecutionCancelRequested { request_id: Some(recorded), .. }
                    if recorded == id
            ))
        };
        self.has_recorded(key, is_it).await
    }
}
