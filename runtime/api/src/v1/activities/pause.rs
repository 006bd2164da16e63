//! Holds an activity.

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

/// Pause an activity.
///
/// No further attempt begins until it is unpaused, also after a restart. An attempt that runs goes on, and is
/// told when it looks. The time of the schedule-to-close timeout goes on. To pause what is paused has no
/// effect. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/activities/{operation_id}/pause",
    operation_id = "pause_activity",
    tag = "activities",
    params(NamespacePath, ActivityPath, RunQuery),
    request_body = Option<ControlActivityRequest>,
    responses((status = 202, description = "Recorded.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn pause(
    Door(tenant): Door,
    Path(path): Path<ActivityPath>,
    Query(query): Query<RunQuery>,
    JsonOrEmpty(request): JsonOrEmpty<ControlActivityRequest>,
) -> Result<(StatusCode, Json<RunChanged>), ApiError> {
    let control = ActivityControl::Pause;
    let (run, operation_id) = path.run(query);
    let controlled =
        async move { tenant.control_activity(&run, operation_id, control, request.reason).await };
    let run_id = to_the_end(controlled).await?;
    Ok((StatusCode::ACCEPTED, Json(RunChanged { run_id })))
}
