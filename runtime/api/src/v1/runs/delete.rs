//! Forgets a run.

use axum::Json;
use dacapo_model::ids::RunId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::RunPath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;

/// Which run.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteQuery {
    /// The run. "The latest" would be another one when the request is repeated.
    #[param(value_type = String, format = "uuid")]
    run_id: RunId,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunDeleted {
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// False if there was no such run, such as when it was deleted before.
    deleted: bool,
}

/// Delete a run.
///
/// Its history and everything else that is kept of it is gone for good, and so is the memory that
/// its start request was made. Only a run that has closed can be deleted, and a child only when its
/// parent has closed as well. Repeating the request is safe.
#[utoipa::path(
    delete,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}",
    operation_id = "delete_run",
    tag = "runs",
    params(NamespacePath, RunPath, DeleteQuery),
    responses((status = 200, description = "It is not there any more.", body = RunDeleted), ErrorBody)
)]
pub(crate) async fn delete(
    Door(tenant): Door,
    Path(path): Path<RunPath>,
    Query(query): Query<DeleteQuery>,
) -> Result<Json<RunDeleted>, ApiError> {
    let run_id = query.run_id;
    let run = path.run(Some(run_id));
    let deleted = to_the_end(async move { tenant.delete_run(&run, run_id).await }).await?;
    Ok(Json(RunDeleted { run_id, deleted }))
}
