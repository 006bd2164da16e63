//! Asks an activity without a workflow to cancel.

use dacapo_model::ids::{RequestId, RunId};

use crate::error::Result;
use crate::tenancy::Tenant;
use crate::types::StandaloneRef;

impl Tenant {
    /// Records the request. A worker that has the activity hears of it with its next
    /// heartbeat, and ends it as it likes; one that nobody has is cancelled at once. A second
    /// request has no effect, and is no error.
    pub async fn cancel_activity(
        &self,
        activity: &StandaloneRef,
        reason: String,
        request_id: Option<RequestId>,
    ) -> Result<RunId> {
        let asked = self.request_cancel(&activity.run()?, reason, request_id).await;
        asked.map_err(|error| self.told_of(&activity.activity_id, error))
    }
}
