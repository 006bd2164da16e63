//! Lists modules.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dacapo_service::Runtime;

use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;
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
pub(crate) async fn list(
    State(runtime): State<Arc<Runtime>>,
    Path(path): Path<NamespacePath>,
) -> Result<Json<ModuleList>, ApiError> {
    let modules = runtime.list_modules(&path.namespace).await?;
    Ok(Json(ModuleList { modules: modules.into_iter().map(ModuleVersion::from).collect() }))
}
