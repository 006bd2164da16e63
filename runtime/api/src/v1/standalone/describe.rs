//! Describes an activity without a workflow.

use axum::Json;
use dacapo_model::limits::{
    HEARTBEAT_DETAILS_BYTES_MAX, MEMO_BYTES_MAX, RETRIED_FAILURE_BYTES_MAX,
    SEARCH_ATTRIBUTES_BYTES_MAX,
};

use super::StandalonePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Path, Query};
use crate::memory;
use crate::v1::NamespacePath;
use crate::v1::runs::RunQuery;
use crate::wire::standalone::ActivityDescription;

/// What a description may cost: what is said about the activity, and what it has said, and
/// all of it as JSON.
const DESCRIBED_BYTES_MAX: usize = 2
    * (MEMO_BYTES_MAX
        + SEARCH_ATTRIBUTES_BYTES_MAX
        + HEARTBEAT_DETAILS_BYTES_MAX
        + RETRIED_FAILURE_BYTES_MAX);

/// Describe an activity without a workflow.
///
/// Where it stands: its attempts, when the next is due, what the last failed with, which worker has
/// it, and what that has said.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/activities/{activity_id}",
    operation_id = "describe_activity",
    tag = "activities",
    params(NamespacePath, StandalonePath, RunQuery),
    responses((status = 200, description = "The activity.", body = ActivityDescription), ErrorBody)
)]
pub(crate) async fn describe(
    Door(tenant): Door,
    Path(path): Path<StandalonePath>,
    Query(query): Query<RunQuery>,
) -> Result<Json<ActivityDescription>, ApiError> {
    memory::reserve(DESCRIBED_BYTES_MAX).await?;
    let description = tenant.describe_activity(&path.activity(query.run_id)).await?;
    Ok(Json(description.into()))
}
