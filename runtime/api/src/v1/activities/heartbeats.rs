//! A worker says that it is alive, for many tasks at once.

use axum::Json as JsonBody;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Json;
use crate::v1::NamespacePath;
use crate::wire::task::{HeartbeatsAnswer, HeartbeatsRequest, for_each_valid};

/// Say that a worker is alive, for many tasks.
///
/// Prolongs the lease of each, and says what its worker is to know, in the order of the request.
/// What a heartbeat says is kept for the next attempt; of those that follow each other within a
/// second it may be left out. Send one for each task in hand in a third of its lease, and one
/// request for all of them.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/activities/heartbeats",
    operation_id = "heartbeat_tasks",
    tag = "workers",
    params(NamespacePath),
    request_body = HeartbeatsRequest,
    responses((status = 200, description = "What they are to know.", body = HeartbeatsAnswer), ErrorBody)
)]
pub(crate) async fn heartbeats(
    Door(tenant): Door,
    Json(request): Json<HeartbeatsRequest>,
) -> Result<JsonBody<HeartbeatsAnswer>, ApiError> {
    let hear = |heartbeats| async move { tenant.heartbeat_tasks(heartbeats).await };
    let heard = for_each_valid(request.into_heartbeats()?, hear).await?;
    Ok(JsonBody(HeartbeatsAnswer::from(heard)))
}
