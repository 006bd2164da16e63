//! Lists modules.

use axum::Json;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::v1::NamespacePath;
use crate::wire::module::{ModuleList, ModuleVersion};

/// List modules.
///
/// The newest version of each.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/modules",
    operation_id = "list_modules",
    tag = "modules",
    params(NamespacePath),
    responses((status = 200, description = "The modules.", body = ModuleList), ErrorBody)
)]
pub(crate) async fn list(Door(tenant): Door) -> Result<Json<ModuleList>, ApiError> {
    let modules = tenant.list_modules().await?;
    Ok(Json(ModuleList { modules: modules.into_iter().map(ModuleVersion::from).collect() }))
}
