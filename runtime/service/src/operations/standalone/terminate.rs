//! Ends an activity without a workflow, without asking it.

use dacapo_model::ids::RunId;

use crate::error::Result;
use crate::tenancy::Tenant;
use crate::types::StandaloneRef;

impl Tenant {
    /// Closes the activity. A worker that has it learns that nobody waits for it.
    pub async fn terminate_activity(
        &self,
        activity: &StandaloneRef,
        reason: String,
    ) -> Result<RunId> {
        let ended = self.terminate_run(&activity.run()?, reason).await;
        ended.map_err(|error| self.told_of(&activity.activity_id, error))
    }
}
