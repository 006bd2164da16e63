//! Triggers a schedule.

use axum::Json;
use dacapo_model::ids::RequestId;

use super::SchedulePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::schedule::ActionsAsked;
use crate::wire::schedule_request::TriggerScheduleRequest;

/// Trigger a schedule.
///
/// Its action is taken now, also while it is paused, and does not count among those that it may take by
/// itself. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/schedules/{schedule_id}/trigger",
    operation_id = "trigger_schedule",
    tag = "schedules",
    params(NamespacePath, SchedulePath),
    request_body = Option<TriggerScheduleRequest>,
    responses((status = 200, description = "What became of it.", body = ActionsAsked), ErrorBody)
)]
pub(crate) async fn trigger(
    Door(tenant): Door,
    Path(SchedulePath { schedule_id }): Path<SchedulePath>,
    JsonOrEmpty(request): JsonOrEmpty<TriggerScheduleRequest>,
) -> Result<Json<ActionsAsked>, ApiError> {
    let request_id = request.request_id.map(RequestId::new).transpose()?;
    let overlap = request.overlap.map(Into::into);
    let asked = async move { tenant.trigger_schedule(&schedule_id, overlap, request_id).await };
    Ok(Json(to_the_end(asked).await?.into()))
}
