//! Shows the versions of a module.

use axum::Json;

use super::ModulePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;
use crate::v1::NamespacePath;
use crate::wire::module::{ModuleVersion, ModuleVersions};

/// Show a module.
///
/// All its versions.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/modules/{name}",
    operation_id = "show_module",
    tag = "modules",
    params(NamespacePath, ModulePath),
    responses((status = 200, description = "Its versions.", body = ModuleVersions), ErrorBody)
)]
pub(crate) async fn show(
    Door(tenant): Door,
    Path(path): Path<ModulePath>,
) -> Result<Json<ModuleVersions>, ApiError> {
    let versions = tenant.module_versions(&path.name).await?;
    Ok(Json(ModuleVersions { versions: versions.into_iter().map(ModuleVersion::from).collect() }))
}
