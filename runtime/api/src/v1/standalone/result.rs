//! Waits for the end of an activity without a workflow.

use axum::Json;
use axum::http::StatusCode;
use dacapo_model::ids::RunId;
use dacapo_service::operations::look_wait_of;
use serde::Deserialize;
use utoipa::IntoParams;

use super::StandalonePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Path, Query};
use crate::v1::NamespacePath;
use crate::wire::standalone::ActivityResult;

/// Which run, and how long to wait.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActivityResultQuery {
    /// A certain run. Without it, the open one, or else the latest.
    #[serde(default)]
    #[param(value_type = Option<String>, format = "uuid")]
    run_id: Option<RunId>,
    /// Wait up to so many seconds (0 to 300, fractions allowed) for its end. 0 if absent.
    #[serde(default)]
    #[param(minimum = 0, maximum = 300)]
    wait: Option<f64>,
}

/// Get the result of an activity without a workflow.
///
/// One that is still open when the wait is over is answered with 202; ask again.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/activities/{activity_id}/result",
    operation_id = "get_activity_result",
    tag = "activities",
    params(NamespacePath, StandalonePath, ActivityResultQuery),
    responses(
        (status = 200, description = "Closed: how it ended.", body = ActivityResult),
        (status = 202, description = "Still open.", body = ActivityResult),
        ErrorBody
    )
)]
pub(crate) async fn result(
    Door(tenant): Door,
    Path(path): Path<StandalonePath>,
    Query(query): Query<ActivityResultQuery>,
) -> Result<(StatusCode, Json<ActivityResult>), ApiError> {
    let wait = look_wait_of(query.wait)?;
    let result = tenant.activity_result(&path.activity(query.run_id), wait).await?;
    let status = if result.closing.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(result.into())))
}
