//! Completes an activity without a workflow, by its id.

use dacapo_service::operations::Report;

use super::StandalonePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::v1::activities::no_token;
use crate::v1::runs::RunQuery;
use crate::wire::activity::CompleteActivityRequest;
use crate::wire::run::RunChanged;

/// Complete an activity without a workflow, by its id.
///
/// Whether or not a worker has it: for whoever does the work by hand. When this is answered, it is
/// durable.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/activities/{activity_id}/complete",
    operation_id = "complete_activity_by_id",
    tag = "activities",
    params(NamespacePath, StandalonePath, RunQuery),
    request_body = Option<CompleteActivityRequest>,
    responses((status = 200, description = "Completed.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn complete(
    Door(tenant): Door,
    Path(path): Path<StandalonePath>,
    Query(query): Query<RunQuery>,
    JsonOrEmpty(request): JsonOrEmpty<CompleteActivityRequest>,
) -> Result<axum::Json<RunChanged>, ApiError> {
    no_token(request.token.as_deref())?;
    let (activity, report) = (path.activity(query.run_id), Report::Completed(request.result()?));
    let reported = async move { tenant.report_standalone(&activity, report).await };
    Ok(axum::Json(RunChanged { run_id: to_the_end(reported).await? }))
}
