//! Deletes a schedule.

use dacapo_model::ids::ScheduleId;

use super::run_of;
use crate::error::Result;
use crate::tenancy::Tenant;

impl Tenant {
    /// Ends a schedule. Runs that it started go on, and its history stays.
    pub async fn delete_schedule(&self, schedule_id: &ScheduleId) -> Result<()> {
        let ended = self.terminate_run(&run_of(schedule_id)?, "it was deleted".to_owned()).await;
        ended.map(drop).map_err(|error| self.told_of_schedule(schedule_id, error))
    }
}
