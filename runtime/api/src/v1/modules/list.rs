//! Lists modules.

use axum::Json;
use dacapo_model::ids::ModuleName;
use dacapo_service::operations::page_size_of;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::page_token;
use crate::v1::NamespacePath;
use crate::wire::module::{ModuleList, ModuleVersion};

/// Where a list goes on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListModulesQuery {
    /// Modules on a page; 100 if absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next_page_token` of the page before.
    #[serde(default)]
    page_token: Option<String>,
}

/// List modules.
///
/// The newest version of each, by name.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/modules",
    operation_id = "list_modules",
    tag = "modules",
    params(NamespacePath, ListModulesQuery),
    responses((status = 200, description = "The modules.", body = ModuleList), ErrorBody)
)]
pub(crate) async fn list(
    Door(tenant): Door,
    Query(query): Query<ListModulesQuery>,
) -> Result<Json<ModuleList>, ApiError> {
    let limit = page_size_of(query.limit)?;
    let after =
        query.page_token.as_deref().map(page_token::decode_name::<ModuleName>).transpose()?;
    let page = tenant.list_modules(after.as_ref(), limit).await?;
    Ok(Json(ModuleList {
        modules: page.modules.into_iter().map(ModuleVersion::from).collect(),
        next_page_token: page.next.map(page_token::encode_name),
    }))
}
