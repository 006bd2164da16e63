//! Takes the actions of a stretch of time.

use axum::Json;
use dacapo_model::ids::RequestId;
use dacapo_service::operations::BackfillRequest;

use super::SchedulePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Json as Body, Path};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::schedule::ActionsAsked;
use crate::wire::schedule_request::BackfillScheduleRequest;

/// Fill in the actions of a stretch of time.
///
/// They are taken now, at most 1,000 with one request, in the order of their times. With an overlap
/// policy of `skip`, only the first is; `buffer_all` takes one after the other.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/schedules/{schedule_id}/backfill",
    operation_id = "backfill_schedule",
    tag = "schedules",
    params(NamespacePath, SchedulePath),
    request_body = BackfillScheduleRequest,
    responses((status = 200, description = "What became of them.", body = ActionsAsked), ErrorBody)
)]
pub(crate) async fn backfill(
    Door(tenant): Door,
    Path(SchedulePath { schedule_id }): Path<SchedulePath>,
    Body(request): Body<BackfillScheduleRequest>,
) -> Result<Json<ActionsAsked>, ApiError> {
    let BackfillScheduleRequest { from, to, overlap, request_id } = request;
    let request_id = request_id.map(RequestId::new).transpose()?;
    let request = BackfillRequest { from, to, overlap: overlap.map(Into::into) };
    let asked = async move { tenant.backfill_schedule(&schedule_id, request, request_id).await };
    Ok(Json(to_the_end(asked).await?.into()))
}
