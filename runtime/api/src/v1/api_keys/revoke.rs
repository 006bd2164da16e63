//! Revokes an API key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dacapo_model::access::ApiKeyId;
use dacapo_service::Runtime;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::door::By;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;
use crate::memory::to_the_end;
use crate::wire::access::ApiKeyRevoked;

/// Names a key.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ApiKeyPath {
    /// The id of the key, which is no secret.
    #[param(
        example = "0123456789abcdef",
        min_length = 16,
        max_length = 16,
        pattern = "^[0-9a-f]{16}$"
    )]
    id: String,
}

/// Revoke an API key.
///
/// From the answer on this server refuses whoever brings it, and a second later every other one does.
/// Answers that are under way, such as a live history, go on to their end.
#[utoipa::path(
    delete,
    path = "/api/v1/api-keys/{id}",
    operation_id = "revoke_api_key",
    tag = "access",
    params(ApiKeyPath),
    responses((status = 200, description = "It is revoked.", body = ApiKeyRevoked), ErrorBody)
)]
pub(crate) async fn revoke(
    State(runtime): State<Arc<Runtime>>,
    By(caller): By,
    Path(path): Path<ApiKeyPath>,
) -> Result<Json<ApiKeyRevoked>, ApiError> {
    let id: ApiKeyId =
        path.id.parse().map_err(|error: String| ApiError::invalid_argument(error))?;
    let answer = ApiKeyRevoked { id: id.to_string() };
    to_the_end(async move { runtime.revoke_api_key(&caller, &id).await }).await?;
    Ok(Json(answer))
}
