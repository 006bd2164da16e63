//! Asks an activity without a workflow to cancel.

use axum::Json;
use axum::http::StatusCode;
use dacapo_model::ids::RequestId;

use super::StandalonePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::v1::runs::RunQuery;
use crate::wire::request::CancelRequest;
use crate::wire::run::RunChanged;

/// Ask an activity without a workflow to cancel.
///
/// A worker that has it is told with the answer to its next heartbeat, and decides what to do: end as
/// canceled, fail, or complete nevertheless. One that no worker has is canceled at once. The body may
/// be left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/activities/{activity_id}/cancel",
    operation_id = "request_cancel_activity",
    tag = "activities",
    params(NamespacePath, StandalonePath, RunQuery),
    request_body = Option<CancelRequest>,
    responses((status = 202, description = "It has been asked.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn cancel(
    Door(tenant): Door,
    Path(path): Path<StandalonePath>,
    Query(query): Query<RunQuery>,
    JsonOrEmpty(request): JsonOrEmpty<CancelRequest>,
) -> Result<(StatusCode, Json<RunChanged>), ApiError> {
    let request_id = request.request_id.map(RequestId::new).transpose()?;
    let activity = path.activity(query.run_id);
    let asked = async move { tenant.cancel_activity(&activity, request.reason, request_id).await };
    Ok((StatusCode::ACCEPTED, Json(RunChanged { run_id: to_the_end(asked).await? })))
}
