//! The times of a schedule in some stretch of time, past or future.

use dacapo_model::ids::ScheduleId;
use dacapo_model::time::Timestamp;
use dacapo_schedule::{Schedule, Times};

use super::describe::Found;
use super::invalid;
use crate::error::Result;
use crate::tenancy::Tenant;

/// Times of one answer.
const TIMES_MAX: u32 = 1_000;

/// Which times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimesRequest {
    /// At this time or later; now, if it is absent.
    pub from: Option<Timestamp>,
    /// At this time or before.
    pub to: Option<Timestamp>,
    /// How many; ten, if it is absent.
    pub limit: Option<u32>,
}

/// No time is later.
pub(super) fn latest() -> Timestamp {
    Timestamp::from_micros(i64::MAX)
}

impl Tenant {
    /// When the schedule is, or was, due, whether or not it is paused.
    pub async fn schedule_times(
        &self,
        schedule_id: &ScheduleId,
        request: TimesRequest,
    ) -> Result<Times> {
        let Found { definition, .. } = self.find_schedule(schedule_id).await?;
        let limit = request.limit.unwrap_or(10).clamp(1, TIMES_MAX);
        let from = request.from.unwrap_or_else(|| self.shared.clock.now());
        let to = request.to.unwrap_or_else(latest);
        times(&definition.spec, schedule_id, from, to, limit as usize)
    }
}

/// Also that of `from` itself.
pub(super) fn times(
    spec: &dacapo_schedule::ScheduleSpec,
    schedule_id: &ScheduleId,
    from: Timestamp,
    to: Timestamp,
    limit: usize,
) -> Result<Times> {
    let schedule = Schedule::new(spec, schedule_id.as_str());
    let schedule = schedule.map_err(|error| invalid(error.to_string()))?;
    let before = Timestamp::from_micros(from.as_micros().saturating_sub(1));
    schedule.between(before, to, limit).map_err(|error| invalid(error.to_string()))
}
