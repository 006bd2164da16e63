//! Starts a run over from a point of its history.

use axum::Json;
use axum::http::StatusCode;

use super::{RunPath, RunQuery};
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Json as Body, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::request::ResetRequest;
use crate::wire::run::RunChanged;

/// Start a run over from a point of its history.
///
/// A new run begins with the history of this one up to (without) an event, as if the rest had not
/// happened, and goes on from there; its id is answered. The run may be open, blocked or closed. If
/// a run of the workflow id is open, it is terminated in the same step. Send a `request_id` and
/// repeat the same request when you get no answer: it starts one run only.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/reset",
    operation_id = "reset_run",
    tag = "runs",
    params(NamespacePath, RunPath, RunQuery),
    request_body = ResetRequest,
    responses((status = 201, description = "The new run.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn reset(
    Door(tenant): Door,
    Path(path): Path<RunPath>,
    Query(query): Query<RunQuery>,
    Body(request): Body<ResetRequest>,
) -> Result<(StatusCode, Json<RunChanged>), ApiError> {
    let run = path.run(query.run_id);
    let request = request.into_operation()?;
    let run_id = to_the_end(async move { tenant.reset_run(&run, request).await }).await?;
    Ok((StatusCode::CREATED, Json(RunChanged { run_id })))
}
