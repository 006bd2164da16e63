//! Asks a run to cancel.

use axum::Json;
use axum::http::StatusCode;
use dacapo_model::ids::RequestId;

use super::{RunPath, RunQuery};
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::request::CancelRequest;
use crate::wire::run::RunChanged;

/// Ask a run to cancel.
///
/// The workflow is told, and decides what to do: clean up, or even complete. The body may be left
/// out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/cancel",
    operation_id = "cancel_run",
    tag = "runs",
    params(NamespacePath, RunPath, RunQuery),
    request_body = Option<CancelRequest>,
    responses((status = 202, description = "The run has been asked.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn cancel(
    Door(tenant): Door,
    Path(path): Path<RunPath>,
    Query(query): Query<RunQuery>,
    JsonOrEmpty(request): JsonOrEmpty<CancelRequest>,
) -> Result<(StatusCode, Json<RunChanged>), ApiError> {
    let request_id = request.request_id.map(RequestId::new).transpose()?;
    let run = path.run(query.run_id);
    let run_id =
        to_the_end(async move { tenant.request_cancel(&run, request.reason, request_id).await })
            .await?;
    Ok((StatusCode::ACCEPTED, Json(RunChanged { run_id })))
}
