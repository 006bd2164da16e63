//! Waits for a run to close.

use axum::Json;
use axum::http::StatusCode;
use dacapo_model::ids::RunId;
use dacapo_service::operations::look_wait_of;
use serde::Deserialize;
use utoipa::IntoParams;

use super::RunPath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Path, Query};
use crate::v1::NamespacePath;
use crate::wire::result::RunResult;

/// Which run, and how long to wait.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ResultQuery {
    /// A certain run. Without it, the open one, or else the latest.
    #[serde(default)]
    #[param(value_type = Option<String>, format = "uuid")]
    run_id: Option<RunId>,
    /// Wait up to so many seconds (0 to 300, fractions allowed) for the run to close. 0 if absent.
    #[serde(default)]
    #[param(minimum = 0, maximum = 300)]
    wait: Option<f64>,
    /// `true` (the default): if another run follows this one, because it is tried again or continues
    /// as new, wait for that one, and so on, and answer with the last. `false`: exactly this run.
    #[serde(default)]
    follow: Option<bool>,
}

/// Get the result of a run.
///
/// A run that is still open when the wait is over is answered with 202; ask again. `run_id` of the
/// answer says which run it is about. One request follows at most 1,000 runs: if it answers
/// with a `new_run_id`, go on from there.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/result",
    operation_id = "get_run_result",
    tag = "runs",
    params(NamespacePath, RunPath, ResultQuery),
    responses(
        (status = 200, description = "Closed: how it ended.", body = RunResult),
        (status = 202, description = "Still open.", body = RunResult),
        ErrorBody
    )
)]
pub(crate) async fn result(
    Door(tenant): Door,
    Path(path): Path<RunPath>,
    Query(query): Query<ResultQuery>,
) -> Result<(StatusCode, Json<RunResult>), ApiError> {
    let wait = look_wait_of(query.wait)?;
    let run = path.run(query.run_id);
    let result = match query.follow.unwrap_or(true) {
        true => tenant.run_result(&run, wait).await?,
        false => tenant.one_result(&run, wait).await?,
    };
    let status = if result.closing.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(result.into())))
}
