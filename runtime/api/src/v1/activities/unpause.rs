//! Lets a paused activity go on.

use axum::Json;
use axum::http::StatusCode;
use dacapo_service::operations::ActivityControl;

use super::ActivityPath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::v1::runs::RunQuery;
use crate::wire::activity::ControlActivityRequest;
use crate::wire::run::RunChanged;

/// Let a paused activity go on.
///
/// An attempt that waits for its time begins at once. To unpause what is not paused has no effect. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/activities/{operation_id}/unpause",
    operation_id = "unpause_activity",
    tag = "activities",
    params(NamespacePath, ActivityPath, RunQuery),
    request_body = Option<ControlActivityRequest>,
    responses((status = 202, description = "Recorded.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn unpause(
    Door(tenant): Door,
    Path(path): Path<ActivityPath>,
    Query(query): Query<RunQuery>,
    JsonOrEmpty(request): JsonOrEmpty<ControlActivityRequest>,
) -> Result<(StatusCode, Json<RunChanged>), ApiError> {
    let control = ActivityControl::Unpause;
    let (run, operation_id) = path.run(query);
    let controlled =
        async move { tenant.control_activity(&run, operation_id, control, request.reason).await };
    let run_id = to_the_end(controlled).await?;
    Ok((StatusCode::ACCEPTED, Json(RunChanged { run_id })))
}
