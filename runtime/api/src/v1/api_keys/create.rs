//! Makes an API key.

use std::sync::Arc;

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use dacapo_service::Runtime;

use crate::door::By;
use crate::error::{ApiError, ErrorBody};
use crate::extract::SmallJson;
use crate::memory::to_the_end;
use crate::wire::access::{CreateApiKeyRequest, CreatedApiKey};

/// Make an API key.
///
/// The answer has the key, and nothing shows it again. It can permit what the caller administers, in
/// namespaces that are there; when one is deleted, what keys permit in it goes with it. If the answer gets
/// lost, a key is there that nobody has: the list shows it, and it can be revoked.
#[utoipa::path(
    post,
    path = "/api/v1/api-keys",
    operation_id = "create_api_key",
    tag = "access",
    request_body = CreateApiKeyRequest,
    responses((status = 201, description = "It is made.", body = CreatedApiKey), ErrorBody)
)]
pub(crate) async fn create(
    State(runtime): State<Arc<Runtime>>,
    By(caller): By,
    SmallJson(request): SmallJson<CreateApiKeyRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let new = request.into_operation()?;
    let made = async move { runtime.create_api_key(&caller, new).await };
    let (secret, key) = to_the_end(made).await?;
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, no_store, JsonBody(CreatedApiKey::new(&secret, key))))
}
