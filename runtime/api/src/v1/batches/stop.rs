//! Stops a batch.

use axum::Json;
use axum::http::StatusCode;
use dacapo_model::ids::RequestId;

use super::BatchPath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::request::CancelRequest;
use crate::wire::run::RunChanged;

/// Stop a batch.
///
/// Nothing more is begun, and the batch ends as canceled. What it has done stays done. The body may be
/// left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/batches/{batch_id}/stop",
    operation_id = "stop_batch",
    tag = "batches",
    params(NamespacePath, BatchPath),
    request_body = Option<CancelRequest>,
    responses((status = 202, description = "It has been told.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn stop(
    Door(tenant): Door,
    Path(path): Path<BatchPath>,
    JsonOrEmpty(request): JsonOrEmpty<CancelRequest>,
) -> Result<(StatusCode, Json<RunChanged>), ApiError> {
    let request_id = request.request_id.map(RequestId::new).transpose()?;
    let told = async move { tenant.stop_batch(&path.batch_id, request.reason, request_id).await };
    Ok((StatusCode::ACCEPTED, Json(RunChanged { run_id: to_the_end(told).await? })))
}
