//! Where a run waits.

use dacapo_model::code::ErrorCode;

use super::RunRef;
use super::locate::Located;
use crate::error::{Result, ServiceError};
use crate::run::Message;
use crate::tenancy::Tenant;
use crate::types::WaitingDescription;

impl Tenant {
    /// Where an open run waits, by a replay of its history. The run is not disturbed.
    pub async fn describe_waiting(&self, run: &RunRef) -> Result<WaitingDescription> {
        self.shared.admit()?;
        self.confirmed(run, self.describe_located_waiting(run)).await
    }

    async fn describe_located_waiting(&self, run: &RunRef) -> Result<WaitingDescription> {
        match self.ask(run, |answer| Message::Trace { answer }).await? {
            Located::Open((_, description)) => description,
            Located::Closed(execution) => {
                let run_id = execution.key.run_id;
                let message = format!("run {run_id} is closed, so it waits for nothing any more");
                Err(ServiceError::new(ErrorCode::RunClosed, message).with("run_id", run_id))
            }
        }
    }
}
