//! Describes a run.

use axum::Json;
use dacapo_service::operations;

use super::{RunPath, RunQuery};
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Path, Query};
use crate::memory;
use crate::v1::NamespacePath;
use crate::wire::run::RunDescription;

/// What anything else that a run has under way costs: its names, and its JSON.
const OPERATION_COST: usize = 2 * 1024;

/// What each byte that is shown costs: a copy, and its JSON.
const SAID_FACTOR: usize = 2;

/// Describe a run.
///
/// Where it stands and what it waits for. What activities have said (`last_failure`,
/// `heartbeat_details`) is left out of the last ones when it has more than 4 MiB together.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}",
    operation_id = "describe_run",
    tag = "runs",
    params(NamespacePath, RunPath, RunQuery),
    responses((status = 200, description = "The run.", body = RunDescription), ErrorBody)
)]
pub(crate) async fn describe(
    Door(tenant): Door,
    Path(path): Path<RunPath>,
    Query(query): Query<RunQuery>,
) -> Result<Json<RunDescription>, ApiError> {
    let mut description = tenant.describe_run(&path.run(query.run_id)).await?;
    let shown = description.limit_bytes();
    memory::reserve(SAID_FACTOR * shown + OPERATION_COST * under_way(&description)).await?;
    Ok(Json(description.into()))
}

fn under_way(description: &operations::RunDescription) -> usize {
    description.pending_activities.len()
        + description.pending_timers.len()
        + description.pending_children.len()
        + description.pending_externals.len()
        + description.pending_updates.len()
}
