//! Changes a schedule.

use axum::Json;

use super::SchedulePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Json as Body, Path};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::schedule::ScheduleChanged;
use crate::wire::schedule_request::UpdateScheduleRequest;

/// Change a schedule.
///
/// The new definition takes the place of the old one as a whole. What was done, what waits and what is
/// open stays. Environment and arguments can not be changed.
#[utoipa::path(
    put,
    path = "/api/v1/namespaces/{namespace}/schedules/{schedule_id}",
    operation_id = "update_schedule",
    tag = "schedules",
    params(NamespacePath, SchedulePath),
    request_body = UpdateScheduleRequest,
    responses((status = 200, description = "Done.", body = ScheduleChanged), ErrorBody)
)]
pub(crate) async fn update(
    Door(tenant): Door,
    Path(SchedulePath { schedule_id }): Path<SchedulePath>,
    Body(request): Body<UpdateScheduleRequest>,
) -> Result<Json<ScheduleChanged>, ApiError> {
    let (request, request_id) = request.into_operation()?;
    let id = schedule_id.clone();
    let asked = async move { tenant.update_schedule(&id, request, request_id).await };
    to_the_end(asked).await?;
    Ok(Json(ScheduleChanged { schedule_id }))
}
