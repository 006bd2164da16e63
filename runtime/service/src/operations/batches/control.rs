//! Pauses, resumes and stops a batch.

use dacapo_model::ids::{BatchId, RequestId, RunId, SignalName};
use dacapo_model::payload::Payload;
use dacapo_model::signal::Signal;

use super::run;
use crate::builtin::batch::{PAUSE, RESUME};
use crate::error::Result;
use crate::tenancy::Tenant;

impl Tenant {
    /// Nothing more is begun; what is under way with single runs ends.
    pub async fn pause_batch(
        &self,
        batch_id: &BatchId,
        request_id: Option<RequestId>,
    ) -> Result<RunId> {
        self.signal_batch(batch_id, PAUSE, request_id).await
    }

    /// Goes on after a pause.
    pub async fn resume_batch(
        &self,
        batch_id: &BatchId,
        request_id: Option<RequestId>,
    ) -> Result<RunId> {
        self.signal_batch(batch_id, RESUME, request_id).await
    }

    /// Ends it. What it has done stays done.
    pub async fn stop_batch(
        &self,
        batch_id: &BatchId,
        reason: String,
        request_id: Option<RequestId>,
    ) -> Result<RunId> {
        let asked = self.request_cancel(&run(batch_id)?, reason, request_id).await;
        asked.map_err(|error| self.told_of_batch(batch_id, error))
    }

    async fn signal_batch(
        &self,
        batch_id: &BatchId,
        name: &str,
        request_id: Option<RequestId>,
    ) -> Result<RunId> {
        let signal =
            Signal { name: SignalName::new(name)?, input: Payload::new("null"), request_id };
        let told = self.signal_run(&run(batch_id)?, signal).await;
        told.map_err(|error| self.told_of_batch(batch_id, error))
    }
}
