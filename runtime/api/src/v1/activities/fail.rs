//! Fail an attempt of an activity from outside.

use dacapo_service::operations::{ActivityRef, Report};
use dacapo_service::tenancy::Tenant;

use super::{ActivityPath, by_token, no_token};
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Json, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::v1::runs::RunQuery;
use crate::wire::activity::FailActivityRequest;
use crate::wire::run::RunChanged;

/// Fail an attempt of an activity, by its token.
///
/// Of an attempt that said that somebody else completes it. It is tried again as its retry policy says.
/// When this is answered, it is durable. Once the attempt is over, its token is answered with
/// `activity_not_found`: also after a first request whose answer was lost.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/activities/fail",
    operation_id = "fail_activity_by_token",
    tag = "activities",
    params(NamespacePath),
    request_body = FailActivityRequest,
    responses((status = 200, description = "Recorded.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn with_token(
    Door(tenant): Door,
    Json(request): Json<FailActivityRequest>,
) -> Result<axum::Json<RunChanged>, ApiError> {
    let activity = by_token(request.token.as_deref())?;
    fail(tenant, activity, request).await
}

/// Fail an attempt of an activity, by the run that asked for it.
///
/// Of an attempt that said that somebody else completes it; one that runs in the server is refused
/// with `activity_not_open`. It is tried again as its retry policy says.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/activities/{operation_id}/fail",
    operation_id = "fail_activity",
    tag = "activities",
    params(NamespacePath, ActivityPath, RunQuery),
    request_body = FailActivityRequest,
    responses((status = 200, description = "Recorded.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn with_operation(
    Door(tenant): Door,
    Path(path): Path<ActivityPath>,
    Query(query): Query<RunQuery>,
    Json(request): Json<FailActivityRequest>,
) -> Result<axum::Json<RunChanged>, ApiError> {
    no_token(request.token.as_deref())?;
    fail(tenant, path.activity(query), request).await
}

async fn fail(
    tenant: Tenant,
    activity: ActivityRef,
    request: FailActivityRequest,
) -> Result<axum::Json<RunChanged>, ApiError> {
    let report = Report::Failed(request.failure.into_failure()?);
    let reported = async move { tenant.report_activity(&activity, report).await };
    Ok(axum::Json(RunChanged { run_id: to_the_end(reported).await? }))
}
