//! Waits for the end of an activity without a workflow.

use std::time::Duration;

use super::activity_id;
use crate::error::Result;
use crate::operations::RunResult;
use crate::tenancy::Tenant;
use crate::types::{StandaloneRef, StandaloneResult};

impl Tenant {
    /// How an activity ended, or that it is still open after `wait`.
    pub async fn activity_result(
        &self,
        activity: &StandaloneRef,
        wait: Duration,
    ) -> Result<StandaloneResult> {
        let result = self.run_result(&activity.run()?, wait).await;
        StandaloneResult::of(result.map_err(|error| self.told_of(&activity.activity_id, error))?)
    }
}

impl StandaloneResult {
    /// Of the run's result.
    pub(super) fn of(result: RunResult) -> Result<Self> {
        let RunResult { workflow_id, run_id, status, closing } = result;
        Ok(Self { activity_id: activity_id(&workflow_id)?, run_id, status, closing })
    }
}
