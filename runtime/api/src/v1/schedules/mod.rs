//! Schedules.

pub(crate) mod backfill;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod resume;
pub(crate) mod times;
pub(crate) mod trigger;
pub(crate) mod update;

use dacapo_model::ids::ScheduleId;
use serde::Deserialize;
use utoipa::IntoParams;

/// Names a schedule.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SchedulePath {
    /// The schedule id, percent-encoded: any characters but control characters.
    #[param(value_type = String, example = "nightly-report")]
    schedule_id: ScheduleId,
}
