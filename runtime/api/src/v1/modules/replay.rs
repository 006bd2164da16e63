//! Tries whether a module fits the histories of open runs.

use axum::Json;
use dacapo_model::module::ModuleDigest;
use dacapo_service::operations::{self, VersionRef};

use super::ModulePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path};
use crate::page_token::List;
use crate::v1::NamespacePath;
use crate::wire::replay::{ReplayPage, ReplayRequest};

/// Replay runs with a module.
///
/// Plays the histories of open runs to a version of a module, and says of each whether the code
/// fits: whether the run could be moved to it. Nothing is recorded. The path names the module, or a
/// version of it by its digest; replayed are the open runs of all versions of that module. A replay
/// takes 60 seconds at most.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/modules/{name}/replay",
    operation_id = "replay_runs",
    tag = "modules",
    params(NamespacePath, ModulePath),
    request_body = Option<ReplayRequest>,
    responses((status = 200, description = "A page of runs.", body = ReplayPage), ErrorBody)
)]
pub(crate) async fn replay(
    Door(tenant): Door,
    Path(path): Path<ModulePath>,
    JsonOrEmpty(request): JsonOrEmpty<ReplayRequest>,
) -> Result<Json<ReplayPage>, ApiError> {
    let module = match path.name.as_str().parse::<ModuleDigest>() {
        Ok(digest) => VersionRef::Digest(digest),
        Err(_) => VersionRef::Numbered(path.name, request.version),
    };
    let list = List::of(&(&module, &request.workflow_type, &request.workflow_id));
    let request = operations::ReplayRequest {
        module,
        workflow_type: request.workflow_type,
        workflow_id: request.workflow_id,
        run_id: request.run_id,
        after: request.page_token.map(|token| list.decode(&token)).transpose()?,
        limit: operations::page_size_of(request.limit)?,
    };
    Ok(Json(ReplayPage::new(tenant.replay_runs(&request).await?, list)))
}
