//! Describes a schedule.

use axum::Json;

use super::SchedulePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;
use crate::memory;
use crate::v1::NamespacePath;
use crate::wire::schedule::ScheduleDescription;

/// What a description may cost: the input of the action, as it is stored and as it is sent.
const DESCRIBED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Describe a schedule.
///
/// What it does, when it is due next, what is open or waits, and how the last actions ended.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/schedules/{schedule_id}",
    operation_id = "describe_schedule",
    tag = "schedules",
    params(NamespacePath, SchedulePath),
    responses((status = 200, description = "The schedule.", body = ScheduleDescription), ErrorBody)
)]
pub(crate) async fn describe(
    Door(tenant): Door,
    Path(SchedulePath { schedule_id }): Path<SchedulePath>,
) -> Result<Json<ScheduleDescription>, ApiError> {
    memory::reserve(DESCRIBED_BYTES_MAX).await?;
    Ok(Json(tenant.describe_schedule(&schedule_id).await?.into()))
}
