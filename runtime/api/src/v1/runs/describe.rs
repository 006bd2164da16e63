//! Describes a run.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dacapo_service::Runtime;

use super::{RunPath, RunQuery};
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Path, Query};
use crate::wire::run::RunDescription;

/// Describe a run.
///
/// Where it stands and what it waits for.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}",
    operation_id = "describe_run",
    tag = "runs",
    params(RunPath, RunQuery),
    responses((status = 200, description = "The run.", body = RunDescription), ErrorBody)
)]
pub(crate) async fn describe(
    State(runtime): State<Arc<Runtime>>,
    Path(path): Path<RunPath>,
    Query(query): Query<RunQuery>,
) -> Result<Json<RunDescription>, ApiError> {
    let description = runtime.describe_run(&path.run(query.run_id)).await?;
    Ok(Json(description.into()))
}
