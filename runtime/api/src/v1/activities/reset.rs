//! Starts an activity over.

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
use crate::wire::activity::ResetActivityRequest;
use crate::wire::run::RunChanged;

/// Start an activity over.
///
/// An attempt that runs is stopped, and attempt 1 begins at once, or, if the activity is paused, when it is
/// unpaused. The failures and waits so far count no more; the schedule-to-close timeout does. An activity
/// that was asked to cancel is left alone. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/activities/{operation_id}/reset",
    operation_id = "reset_activity",
    tag = "activities",
    params(NamespacePath, ActivityPath, RunQuery),
    request_body = Option<ResetActivityRequest>,
    responses((status = 202, description = "Recorded.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn reset(
    Door(tenant): Door,
    Path(path): Path<ActivityPath>,
    Query(query): Query<RunQuery>,
    JsonOrEmpty(request): JsonOrEmpty<ResetActivityRequest>,
) -> Result<(StatusCode, Json<RunChanged>), ApiError> {
    let control = ActivityControl::Reset { forget_heartbeat: request.forget_heartbeat };
    let (run, operation_id) = path.run(query);
    let controlled =
        async move { tenant.control_activity(&run, operation_id, control, request.reason).await };
    let run_id = to_the_end(controlled).await?;
    Ok((StatusCode::ACCEPTED, Json(RunChanged { run_id })))
}
