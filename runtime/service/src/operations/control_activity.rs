//! An operator holds an activity, lets it go on, or makes it start over.

use dacapo_engine::decide::{ActivityControl, Input, Refusal};
use dacapo_model::ids::{OperationId, RunId};

use super::RunRef;
use super::complete_activity::refused;
use super::locate::{check_reason, closed};
use crate::error::Result;
use crate::tenancy::Tenant;

impl Tenant {
    /// When it returns, it is durable. To pause what is paused has no effect, and
    /// is no error.
    pub async fn control_activity(
        &self,
        run: &RunRef,
        operation_id: OperationId,
        control: ActivityControl,
        reason: String,
    ) -> Result<RunId> {
        self.shared.admit_write()?;
        check_reason(&reason)?;
        let input = Input::ControlActivity { operation_id, control, reason };
        match self.send(run, input).await? {
            (run_id, Ok(()) | Err(Refusal::Stale)) => Ok(run_id),
            (run_id, Err(Refusal::Closed)) => Err(closed(run, run_id)),
            (_, Err(refusal)) => Err(refused(&refusal)),
        }
    }
}
