//! Lists API keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dacapo_service::Runtime;

use crate::door::By;
use crate::error::{ApiError, ErrorBody};
use crate::wire::access::{ApiKey, ApiKeyList};

/// List API keys.
///
/// Those that the caller administers, the oldest first: 1000 at most, so there is one page. Keys whose
/// time is over stay until they are revoked.
#[utoipa::path(
    get,
    path = "/api/v1/api-keys",
    operation_id = "list_api_keys",
    tag = "access",
    responses((status = 200, description = "The keys, without what makes them keys.", body = ApiKeyList), ErrorBody)
)]
pub(crate) async fn list(
    State(runtime): State<Arc<Runtime>>,
    By(caller): By,
) -> Result<Json<ApiKeyList>, ApiError> {
    let keys = runtime.list_api_keys(&caller.principal).await?;
    Ok(Json(ApiKeyList { api_keys: keys.into_iter().map(ApiKey::from).collect() }))
}
