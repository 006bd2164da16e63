//! Starts a batch.

use axum::Json;
use axum::http::StatusCode;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Json as Body;
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::batch::{StartBatchAnswer, StartBatchRequest};

/// Do something with all runs that match.
///
/// A durable job of the server: it goes on after a restart, and does it with each run once. With
/// `dry_run` nothing is done, and the answer says how many runs match now. Send a `request_id` and
/// repeat the same request when you get no answer: it starts one batch only.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/batches",
    operation_id = "start_batch",
    tag = "batches",
    params(NamespacePath),
    request_body = StartBatchRequest,
    responses(
        (status = 201, description = "Started.", body = StartBatchAnswer),
        (status = 200, description = "It was there already, or a dry run.", body = StartBatchAnswer),
        ErrorBody
    )
)]
pub(crate) async fn start(
    Door(tenant): Door,
    Body(request): Body<StartBatchRequest>,
) -> Result<(StatusCode, Json<StartBatchAnswer>), ApiError> {
    let dry_run = request.dry_run;
    let request = request.into_operation()?;
    if dry_run {
        let matched = tenant.preview_batch(&request).await?;
        return Ok((StatusCode::OK, Json(StartBatchAnswer::dry(matched))));
    }
    let started = to_the_end(async move { tenant.start_batch(request).await }).await?;
    let status = if started.started { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(started.into())))
}
