//! Shows the versions of a module.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dacapo_service::Runtime;

use super::ModulePath;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;
use crate::wire::module::{ModuleVersion, ModuleVersions};

/// Show a module.
///
/// All its versions.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/modules/{name}",
    operation_id = "show_module",
    tag = "modules",
    params(ModulePath),
    responses((status = 200, description = "Its versions.", body = ModuleVersions), ErrorBody)
)]
pub(crate) async fn show(
    State(runtime): State<Arc<Runtime>>,
    Path(path): Path<ModulePath>,
) -> Result<Json<ModuleVersions>, ApiError> {
    let versions = runtime.module_versions(&path.namespace, &path.name).await?;
    Ok(Json(ModuleVersions { versions: versions.into_iter().map(ModuleVersion::from).collect() }))
}
