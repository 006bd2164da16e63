//! Removes a search attribute.

use axum::Json;
use dacapo_model::search_attribute::SearchAttributeName;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::search_attribute::SearchAttributeRemoved;

/// Names a search attribute.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SearchAttributePath {
    /// The search attribute.
    #[param(value_type = String, example = "CustomerId")]
    name: SearchAttributeName,
}

/// Remove a search attribute.
///
/// Values that runs have stay with them and are shown, but no run is found by them. New values are
/// refused. Repeating the request is safe.
#[utoipa::path(
    delete,
    path = "/api/v1/namespaces/{namespace}/search-attributes/{name}",
    operation_id = "remove_search_attribute",
    tag = "search attributes",
    params(NamespacePath, SearchAttributePath),
    responses((status = 200, description = "It is not registered any more.", body = SearchAttributeRemoved), ErrorBody)
)]
pub(crate) async fn remove(
    Door(tenant): Door,
    Path(path): Path<SearchAttributePath>,
) -> Result<Json<SearchAttributeRemoved>, ApiError> {
    let removed = async move { tenant.remove_search_attribute(&path.name).await };
    Ok(Json(SearchAttributeRemoved { removed: to_the_end(removed).await? }))
}
