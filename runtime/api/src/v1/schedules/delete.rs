//! Deletes a schedule.

use axum::Json;

use super::SchedulePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::schedule::ScheduleChanged;

/// Delete a schedule.
///
/// Runs that it started go on. Its own history stays, under the workflow id `dacapo:schedule:ID`.
#[utoipa::path(
    delete,
    path = "/api/v1/namespaces/{namespace}/schedules/{schedule_id}",
    operation_id = "delete_schedule",
    tag = "schedules",
    params(NamespacePath, SchedulePath),
    responses((status = 200, description = "It is not there any more.", body = ScheduleChanged), ErrorBody)
)]
pub(crate) async fn delete(
    Door(tenant): Door,
    Path(SchedulePath { schedule_id }): Path<SchedulePath>,
) -> Result<Json<ScheduleChanged>, ApiError> {
    let id = schedule_id.clone();
    to_the_end(async move { tenant.delete_schedule(&id).await }).await?;
    Ok(Json(ScheduleChanged { schedule_id }))
}
