//! Ends an activity without a workflow from outside.

use axum::Json;

use super::StandalonePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::v1::runs::RunQuery;
use crate::wire::request::TerminateRequest;
use crate::wire::run::RunChanged;

/// Terminate an activity without a workflow.
///
/// It ends at once. A worker that has it is not asked; what it reports later counts for nothing. The
/// body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/activities/{activity_id}/terminate",
    operation_id = "terminate_activity",
    tag = "activities",
    params(NamespacePath, StandalonePath, RunQuery),
    request_body = Option<TerminateRequest>,
    responses((status = 200, description = "It is terminated.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn terminate(
    Door(tenant): Door,
    Path(path): Path<StandalonePath>,
    Query(query): Query<RunQuery>,
    JsonOrEmpty(request): JsonOrEmpty<TerminateRequest>,
) -> Result<Json<RunChanged>, ApiError> {
    let activity = path.activity(query.run_id);
    let ended = async move { tenant.terminate_activity(&activity, request.reason).await };
    Ok(Json(RunChanged { run_id: to_the_end(ended).await? }))
}
