//! Pauses a schedule.

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

/// Pause a schedule.
///
/// It takes no action by itself until it is resumed. Runs that it started go on, and it can still be
/// triggered. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/schedules/{schedule_id}/pause",
    operation_id = "pause_schedule",
    tag = "schedules",
    params(NamespacePath, SchedulePath),
    request_body = Option<PauseScheduleRequest>,
    responses((status = 200, description = "Done.", body = ScheduleChanged), ErrorBody)
)]
pub(crate) async fn pause(
    Door(tenant): Door,
    Path(SchedulePath { schedule_id }): Path<SchedulePath>,
    JsonOrEmpty(request): JsonOrEmpty<PauseScheduleRequest>,
) -> Result<Json<ScheduleChanged>, ApiError> {
    let request_id = request.request_id.map(RequestId::new).transpose()?;
    let id = schedule_id.clone();
    let asked = async move { tenant.pause_schedule(&id, request.note, request_id).await };
    to_the_end(asked).await?;
    Ok(Json(ScheduleChanged { schedule_id }))
}
