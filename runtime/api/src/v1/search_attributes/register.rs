//! Registers a search attribute.

use axum::Json as JsonBody;
use axum::http::StatusCode;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Json;
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::search_attribute::{RegisterSearchAttributeRequest, RegisteredSearchAttribute};

/// Register a search attribute.
///
/// From the answer on, runs of the namespace can have it. The type of a name does not change; repeating
/// the request is safe.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/search-attributes",
    operation_id = "register_search_attribute",
    tag = "search attributes",
    params(NamespacePath),
    request_body = RegisterSearchAttributeRequest,
    responses(
        (status = 201, description = "It is registered.", body = RegisteredSearchAttribute),
        (status = 200, description = "It was registered already.", body = RegisteredSearchAttribute),
        ErrorBody
    )
)]
pub(crate) async fn register(
    Door(tenant): Door,
    Json(request): Json<RegisterSearchAttributeRequest>,
) -> Result<(StatusCode, JsonBody<RegisteredSearchAttribute>), ApiError> {
    let (name, attribute_type) = request.into_operation()?;
    let registered = async move { tenant.register_search_attribute(name, attribute_type).await };
    let (attribute, is_new) = to_the_end(registered).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, JsonBody(attribute.into())))
}
