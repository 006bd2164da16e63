//! Resumes a batch.

use axum::Json;
use axum::http::StatusCode;
use dacapo_model::ids::RequestId;

use super::BatchPath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::batch::ControlBatchRequest;
use crate::wire::run::RunChanged;

/// Resume a batch.
///
/// It goes on where it was paused. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/batches/{batch_id}/resume",
    operation_id = "resume_batch",
    tag = "batches",
    params(NamespacePath, BatchPath),
    request_body = Option<ControlBatchRequest>,
    responses((status = 202, description = "It has been told.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn resume(
    Door(tenant): Door,
    Path(path): Path<BatchPath>,
    JsonOrEmpty(request): JsonOrEmpty<ControlBatchRequest>,
) -> Result<(StatusCode, Json<RunChanged>), ApiError> {
    let request_id = request.request_id.map(RequestId::new).transpose()?;
    let told = async move { tenant.resume_batch(&path.batch_id, request_id).await };
    Ok((StatusCode::ACCEPTED, Json(RunChanged { run_id: to_the_end(told).await? })))
}
