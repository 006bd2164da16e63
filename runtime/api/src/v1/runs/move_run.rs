//! Moves a run to another module.

use axum::Json;

use super::{RunPath, RunQuery};
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::replay::{MoveRequest, RunMoved};

/// Move a run to another version of its code.
///
/// Replays the whole history with that code first. If it fits, the run is pinned to it from then on,
/// and one that was blocked goes on at once; if not, the answer is `replay_diverged`, and the run
/// stays where it is. Runs that it continues as have the new code, too. A run that has that code
/// already goes on as before, and one that is blocked tries again.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/module",
    operation_id = "move_run",
    tag = "runs",
    params(NamespacePath, RunPath, RunQuery),
    request_body = Option<MoveRequest>,
    responses((status = 200, description = "It is pinned to that code.", body = RunMoved), ErrorBody)
)]
pub(crate) async fn move_run(
    Door(tenant): Door,
    Path(path): Path<RunPath>,
    Query(query): Query<RunQuery>,
    JsonOrEmpty(request): JsonOrEmpty<MoveRequest>,
) -> Result<Json<RunMoved>, ApiError> {
    let target = request.into_target()?;
    let run = path.run(query.run_id);
    let moved = to_the_end(async move { tenant.move_run(&run, &target).await }).await?;
    Ok(Json(moved.into()))
}
