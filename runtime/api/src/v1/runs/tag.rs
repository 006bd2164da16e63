//! Changes the tags of a run.

use axum::Json as JsonBody;

use super::{RunPath, RunQuery};
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Json, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::request::TagRequest;
use crate::wire::run::RunChanged;

/// Change the tags of a run.
///
/// The run is open. To add a tag that it has, or to remove one that it has not, changes nothing, so
/// a repeat is safe.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/tags",
    operation_id = "tag_run",
    tag = "runs",
    params(NamespacePath, RunPath, RunQuery),
    request_body = TagRequest,
    responses((status = 200, description = "It has the tags.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn tag(
    Door(tenant): Door,
    Path(path): Path<RunPath>,
    Query(query): Query<RunQuery>,
    Json(request): Json<TagRequest>,
) -> Result<JsonBody<RunChanged>, ApiError> {
    let run = path.run(query.run_id);
    let changes = request.into_changes()?;
    let run_id = to_the_end(async move { tenant.tag_run(&run, changes).await }).await?;
    Ok(JsonBody(RunChanged { run_id }))
}
