//! Fails an attempt of an activity without a workflow, by its id.

use dacapo_service::operations::Report;

use super::StandalonePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Json, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::v1::activities::no_token;
use crate::v1::runs::RunQuery;
use crate::wire::activity::FailActivityRequest;
use crate::wire::run::RunChanged;

/// Fail an attempt of an activity without a workflow, by its id.
///
/// Whether or not a worker has it. It is tried again as its retry policy says.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/activities/{activity_id}/fail",
    operation_id = "fail_activity_by_id",
    tag = "activities",
    params(NamespacePath, StandalonePath, RunQuery),
    request_body = FailActivityRequest,
    responses((status = 200, description = "Recorded.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn fail(
    Door(tenant): Door,
    Path(path): Path<StandalonePath>,
    Query(query): Query<RunQuery>,
    Json(request): Json<FailActivityRequest>,
) -> Result<axum::Json<RunChanged>, ApiError> {
    no_token(request.token.as_deref())?;
    let activity = path.activity(query.run_id);
    let report = Report::Failed(request.failure.into_failure()?);
    let reported = async move { tenant.report_standalone(&activity, report).await };
    Ok(axum::Json(RunChanged { run_id: to_the_end(reported).await? }))
}
