//! Somebody outside says how an activity without a workflow ended.

use dacapo_engine::decide::Report;
use dacapo_model::ids::RunId;

use crate::builtin;
use crate::error::Result;
use crate::operations::ActivityRef;
use crate::tenancy::Tenant;
use crate::types::StandaloneRef;

impl Tenant {
    /// Ends an activity by its id, whether or not a worker has it. When it returns, that is
    /// durable.
    pub async fn report_standalone(
        &self,
        activity: &StandaloneRef,
        report: Report,
    ) -> Result<RunId> {
        let (run, operation_id) = (activity.run()?, builtin::activity::OPERATION);
        let reported =
            self.report_activity(&ActivityRef::Operation { run, operation_id }, report).await;
        reported.map_err(|error| self.told_of(&activity.activity_id, error))
    }
}
