//! Lists search attributes.

use axum::Json;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::v1::NamespacePath;
use crate::wire::search_attribute::{RegisteredSearchAttribute, SearchAttributeList};

/// List search attributes.
///
/// All that the namespace has registered, by name: 100 at most, so there is one page.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/search-attributes",
    operation_id = "list_search_attributes",
    tag = "search attributes",
    params(NamespacePath),
    responses((status = 200, description = "What is registered.", body = SearchAttributeList), ErrorBody)
)]
pub(crate) async fn list(Door(tenant): Door) -> Result<Json<SearchAttributeList>, ApiError> {
    let registered = tenant.list_search_attributes().await?;
    let search_attributes = registered.into_iter().map(RegisteredSearchAttribute::from).collect();
    Ok(Json(SearchAttributeList { search_attributes }))
}
