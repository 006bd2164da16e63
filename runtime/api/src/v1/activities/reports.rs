//! A worker says how tasks ended.

use axum::Json as JsonBody;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Json;
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::task::{ReportsAnswer, ReportsRequest, for_each_valid};

/// Say how tasks ended.
///
/// Each is recorded by itself, and durable when it is answered with `recorded`. A report may be
/// sent again: one that was recorded is answered so again. An attempt that the worker does not have
/// any more is answered with `lease_lost`, and an activity that has ended otherwise with
/// `activity_not_found`: throw the outcome away.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/activities/reports",
    operation_id = "report_tasks",
    tag = "workers",
    params(NamespacePath),
    request_body = ReportsRequest,
    responses((status = 200, description = "What became of each.", body = ReportsAnswer), ErrorBody)
)]
pub(crate) async fn reports(
    Door(tenant): Door,
    Json(request): Json<ReportsRequest>,
) -> Result<JsonBody<ReportsAnswer>, ApiError> {
    let reports = request.into_reports()?;
    let reported = async move {
        for_each_valid(reports, |reports| async move { tenant.report_tasks(reports).await }).await
    };
    Ok(JsonBody(ReportsAnswer::from(to_the_end(reported).await?)))
}
