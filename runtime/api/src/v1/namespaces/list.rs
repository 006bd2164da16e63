//! Lists namespaces.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dacapo_model::ids::NamespaceName;
use dacapo_service::Runtime;
use dacapo_service::operations::page_size_of;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::page_token;
use crate::wire::namespace::{Namespace, NamespaceList};

/// Where a list goes on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListNamespacesQuery {
    /// Namespaces on a page; 100 if absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next_page_token` of the page before.
    #[serde(default)]
    page_token: Option<String>,
}

/// List namespaces.
///
/// By name. Those that are being deleted are among them.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces",
    operation_id = "list_namespaces",
    tag = "namespaces",
    params(ListNamespacesQuery),
    responses((status = 200, description = "The namespaces.", body = NamespaceList), ErrorBody)
)]
pub(crate) async fn list(
    State(runtime): State<Arc<Runtime>>,
    Query(query): Query<ListNamespacesQuery>,
) -> Result<Json<NamespaceList>, ApiError> {
    let limit = page_size_of(query.limit)?;
    let after =
        query.page_token.as_deref().map(page_token::decode_name::<NamespaceName>).transpose()?;
    let page = runtime.list_namespaces(after.as_ref(), limit).await?;
    Ok(Json(NamespaceList {
        namespaces: page.namespaces.into_iter().map(Namespace::from).collect(),
        next_page_token: page.next.map(page_token::encode_name),
    }))
}
