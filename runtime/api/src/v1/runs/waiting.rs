//! Where a run waits.

use axum::Json;

use super::{RunPath, RunQuery};
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Path, Query};
use crate::v1::NamespacePath;
use crate::wire::waiting::RunWaiting;

/// Get where a run waits.
///
/// For what, and where in its code. Found out by a replay of its history, so it takes longer the
/// longer that is; the run is not disturbed.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/waiting",
    operation_id = "get_run_waiting",
    tag = "runs",
    params(NamespacePath, RunPath, RunQuery),
    responses((status = 200, description = "Where it waits.", body = RunWaiting), ErrorBody)
)]
pub(crate) async fn waiting(
    Door(tenant): Door,
    Path(path): Path<RunPath>,
    Query(query): Query<RunQuery>,
) -> Result<Json<RunWaiting>, ApiError> {
    let waiting = tenant.describe_waiting(&path.run(query.run_id)).await?;
    Ok(Json(waiting.into()))
}
