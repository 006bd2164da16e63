//! Ends a run from outside.

use axum::Json;

use super::{RunPath, RunQuery};
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::request::TerminateRequest;
use crate::wire::run::RunChanged;

/// Terminate a run.
///
/// It ends at once; its workflow is not asked and can't clean up. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/terminate",
    operation_id = "terminate_run",
    tag = "runs",
    params(NamespacePath, RunPath, RunQuery),
    request_body = Option<TerminateRequest>,
    responses((status = 200, description = "It is terminated.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn terminate(
    Door(tenant): Door,
    Path(path): Path<RunPath>,
    Query(query): Query<RunQuery>,
    JsonOrEmpty(request): JsonOrEmpty<TerminateRequest>,
) -> Result<Json<RunChanged>, ApiError> {
    let run = path.run(query.run_id);
    let run_id =
        to_the_end(async move { tenant.terminate_run(&run, request.reason).await }).await?;
    Ok(Json(RunChanged { run_id }))
}
