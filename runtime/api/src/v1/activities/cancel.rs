//! End an activity as cancelled from outside.

use dacapo_service::operations::ActivityRef;
use dacapo_service::tenancy::Tenant;

use super::{ActivityPath, by_token, no_token};
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Json, JsonOrEmpty, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::v1::runs::RunQuery;
use crate::wire::activity::CancelActivityRequest;
use crate::wire::run::RunChanged;

/// End an activity as cancelled, by its token.
///
/// Of an attempt that said that somebody else completes it. Only once the workflow has asked it to cancel, which the answer to a heartbeat says; else it is refused
/// with `invalid_argument`.
/// When this is answered, it is durable. Once the attempt is over, its token is answered with
/// `activity_not_found`: also after a first request whose answer was lost.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/activities/cancel",
    operation_id = "cancel_activity_by_token",
    tag = "activities",
    params(NamespacePath),
    request_body = CancelActivityRequest,
    responses((status = 200, description = "Canceled.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn with_token(
    Door(tenant): Door,
    Json(request): Json<CancelActivityRequest>,
) -> Result<axum::Json<RunChanged>, ApiError> {
    let activity = by_token(request.token.as_deref())?;
    cancel(tenant, activity, request).await
}

/// End an activity as cancelled, by the run that asked for it.
///
/// Of an attempt that said that somebody else completes it; one that runs in the server is refused
/// with `activity_not_open`. Only once the workflow has asked it to cancel, which the answer to a heartbeat says; else it is refused
/// with `invalid_argument`.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/activities/{operation_id}/cancel",
    operation_id = "cancel_activity",
    tag = "activities",
    params(NamespacePath, ActivityPath, RunQuery),
    request_body = Option<CancelActivityRequest>,
    responses((status = 200, description = "Canceled.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn with_operation(
    Door(tenant): Door,
    Path(path): Path<ActivityPath>,
    Query(query): Query<RunQuery>,
    JsonOrEmpty(request): JsonOrEmpty<CancelActivityRequest>,
) -> Result<axum::Json<RunChanged>, ApiError> {
    no_token(request.token.as_deref())?;
    cancel(tenant, path.activity(query), request).await
}

async fn cancel(
    tenant: Tenant,
    activity: ActivityRef,
    request: CancelActivityRequest,
) -> Result<axum::Json<RunChanged>, ApiError> {
    let report = request.report();
    let reported = async move { tenant.report_activity(&activity, report).await };
    Ok(axum::Json(RunChanged { run_id: to_the_end(reported).await? }))
}
