//! Lets a blocked run try again.

use axum::Json;
use axum::http::StatusCode;

use super::{RunPath, RunQuery};
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::request::RetryRequest;
use crate::wire::run::RunChanged;

/// Let a blocked run try again.
///
/// Once the reason is gone, such as a limit that was too low. If it is not, the run is blocked
/// again. A run that is not blocked is refused with `invalid_argument`. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/retry",
    operation_id = "retry_run",
    tag = "runs",
    params(NamespacePath, RunPath, RunQuery),
    request_body = Option<RetryRequest>,
    responses((status = 202, description = "It tries again.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn retry(
    Door(tenant): Door,
    Path(path): Path<RunPath>,
    Query(query): Query<RunQuery>,
    JsonOrEmpty(RetryRequest {}): JsonOrEmpty<RetryRequest>,
) -> Result<(StatusCode, Json<RunChanged>), ApiError> {
    let run = path.run(query.run_id);
    let run_id = to_the_end(async move { tenant.retry_run(&run).await }).await?;
    Ok((StatusCode::ACCEPTED, Json(RunChanged { run_id })))
}
