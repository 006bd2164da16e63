//! Resumes a schedule.

use axum::Json;
use dacapo_model::ids::RequestId;

use super::SchedulePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::schedule::ScheduleChanged;
use crate::wire::schedule_request::PauseScheduleRequest;

/// Resume a schedule.
///
/// What was due while it was paused is not made up for. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/schedules/{schedule_id}/resume",
    operation_id = "resume_schedule",
    tag = "schedules",
    params(NamespacePath, SchedulePath),
    request_body = Option<PauseScheduleRequest>,
    responses((status = 200, description = "Done.", body = ScheduleChanged), ErrorBody)
)]
pub(crate) async fn resume(
    Door(tenant): Door,
    Path(SchedulePath { schedule_id }): Path<SchedulePath>,
    JsonOrEmpty(request): JsonOrEmpty<PauseScheduleRequest>,
) -> Result<Json<ScheduleChanged>, ApiError> {
    let request_id = request.request_id.map(RequestId::new).transpose()?;
    let id = schedule_id.clone();
    let asked = async move { tenant.resume_schedule(&id, request.note, request_id).await };
    to_the_end(asked).await?;
    Ok(Json(ScheduleChanged { schedule_id }))
}
