//! For whatever collects what the process measures.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};

use crate::error::{ApiError, ErrorBody};
use dacapo_model::code::ErrorCode;

/// What the process measures, for Prometheus.
///
/// In its text format. docs/metrics.md lists what there is.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "read_metrics",
    tag = "health",
    responses(
        (status = 200, description = "All values.", body = String, content_type = "text/plain"),
        ErrorBody
    )
)]
pub(crate) async fn metrics(State(registry): State<Registry>) -> Result<Response, ApiError> {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => Ok(([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response()),
        Err(error) => {
            tracing::error!(%error, "metrics can't be written");
            Err(ApiError::new(ErrorCode::Internal, "metrics can't be written"))
        }
    }
}
