//! Forgets versions of a module.

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ModulePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;

/// Which versions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteQuery {
    /// One that is not the newest; without it, all of them.
    #[serde(default)]
    version: Option<u32>,
}

/// What is gone.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModuleDeleted {
    /// The versions that this request has deleted; none if they were not there.
    deleted: Vec<u32>,
}

/// Delete a module.
///
/// All its versions, or one that is not the newest. Refused while an open run is pinned to one of
/// them. Closed runs stay, but can't answer queries with code that is gone. Repeating the request is
/// safe.
#[utoipa::path(
    delete,
    path = "/api/v1/namespaces/{namespace}/modules/{name}",
    operation_id = "delete_module",
    tag = "modules",
    params(NamespacePath, ModulePath, DeleteQuery),
    responses((status = 200, description = "They are not there any more.", body = ModuleDeleted), ErrorBody)
)]
pub(crate) async fn delete(
    Door(tenant): Door,
    Path(path): Path<ModulePath>,
    Query(query): Query<DeleteQuery>,
) -> Result<Json<ModuleDeleted>, ApiError> {
    let deleted =
        to_the_end(async move { tenant.delete_module(&path.name, query.version).await }).await?;
    Ok(Json(ModuleDeleted { deleted }))
}
