//! Describes a batch.

use axum::Json;

use super::BatchPath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;
use crate::memory;
use crate::v1::NamespacePath;
use crate::wire::batch::BatchDescription;

/// What a description may cost: the input of a signal, twice as base64, and failures.
const DESCRIBED_BYTES_MAX: usize = 1024 * 1024;

/// Describe a batch.
///
/// How far it has come, and which runs refused.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/batches/{batch_id}",
    operation_id = "describe_batch",
    tag = "batches",
    params(NamespacePath, BatchPath),
    responses((status = 200, description = "The batch.", body = BatchDescription), ErrorBody)
)]
pub(crate) async fn describe(
    Door(tenant): Door,
    Path(path): Path<BatchPath>,
) -> Result<Json<BatchDescription>, ApiError> {
    memory::reserve(DESCRIBED_BYTES_MAX).await?;
    Ok(Json(tenant.describe_batch(&path.batch_id).await?.into()))
}
