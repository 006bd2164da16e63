//! Says that an attempt is alive, from outside.

use dacapo_service::operations::ActivityRef;
use dacapo_service::tenancy::Tenant;

use super::{ActivityPath, by_token, no_token};
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Json, JsonOrEmpty, Path, Query};
use crate::v1::NamespacePath;
use crate::v1::runs::RunQuery;
use crate::wire::activity::{HeartbeatAnswer, HeartbeatRequest, json};

/// Say that an attempt is alive, by its token.
///
/// Of an attempt that said that somebody else completes it. The answer says whether it should end.
/// What the heartbeat says is stored at once the first time, then every 0.8 times the heartbeat
/// timeout (30 s without one, at most 60 s), and when the attempt fails.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/activities/heartbeat",
    operation_id = "heartbeat_activity_by_token",
    tag = "activities",
    params(NamespacePath),
    request_body = HeartbeatRequest,
    responses((status = 200, description = "What it is to know.", body = HeartbeatAnswer), ErrorBody)
)]
pub(crate) async fn with_token(
    Door(tenant): Door,
    Json(request): Json<HeartbeatRequest>,
) -> Result<axum::Json<HeartbeatAnswer>, ApiError> {
    let activity = by_token(request.token.as_deref())?;
    heartbeat(&tenant, &activity, request).await
}

/// Say that an attempt is alive, by the run that asked for it.
///
/// Of an attempt that said that somebody else completes it; one that runs in the server is refused
/// with `activity_not_open`.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/activities/{operation_id}/heartbeat",
    operation_id = "heartbeat_activity",
    tag = "activities",
    params(NamespacePath, ActivityPath, RunQuery),
    request_body = Option<HeartbeatRequest>,
    responses((status = 200, description = "What it is to know.", body = HeartbeatAnswer), ErrorBody)
)]
pub(crate) async fn with_operation(
    Door(tenant): Door,
    Path(path): Path<ActivityPath>,
    Query(query): Query<RunQuery>,
    JsonOrEmpty(request): JsonOrEmpty<HeartbeatRequest>,
) -> Result<axum::Json<HeartbeatAnswer>, ApiError> {
    no_token(request.token.as_deref())?;
    heartbeat(&tenant, &path.activity(query), request).await
}

async fn heartbeat(
    tenant: &Tenant,
    activity: &ActivityRef,
    request: HeartbeatRequest,
) -> Result<axum::Json<HeartbeatAnswer>, ApiError> {
    let details = request.details.map(json);
    Ok(axum::Json(tenant.heartbeat_activity(activity, details).await?.into()))
}
