//! Asks a run to do something, and waits for the answer.

use axum::Json;
use axum::http::StatusCode;
use dacapo_model::ids::{RunId, UpdateId, UpdateName, WorkflowId};
use dacapo_service::operations::{RunRef, UpdateResult, UpdateWait, look_wait_of, wait_of};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::message::{UpdateAnswer, UpdateRequest, WaitFor};

/// Names a workflow and an update.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UpdatePath {
    /// The workflow id, percent-encoded: any characters but control characters.
    #[param(value_type = String, example = "order-17")]
    workflow_id: WorkflowId,
    /// To send one: its name, by which the workflow chooses what to do. To look at one: its id.
    /// Percent-encoded: any characters but control characters.
    #[param(example = "add-item")]
    update: String,
}

/// Which run, and how long to wait.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SendQuery {
    /// A certain run. Without it, the open one, or else the latest.
    #[serde(default)]
    #[param(value_type = Option<String>, format = "uuid")]
    run_id: Option<RunId>,
    /// Wait up to so many seconds (0 to 300, fractions allowed). 30 if absent.
    #[serde(default)]
    #[param(minimum = 0, maximum = 300)]
    wait: Option<f64>,
}

/// Which run, how long to wait, and for what.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LookQuery {
    /// A certain run. Without it, the open one, or else the latest.
    #[serde(default)]
    #[param(value_type = Option<String>, format = "uuid")]
    run_id: Option<RunId>,
    /// Wait up to so many seconds (0 to 300, fractions allowed). 0 if absent.
    #[serde(default)]
    #[param(minimum = 0, maximum = 300)]
    wait: Option<f64>,
    /// What to wait for; `completed` if absent.
    #[serde(default)]
    #[param(inline)]
    wait_for: Option<WaitFor>,
}

/// Send a run an update.
///
/// The workflow accepts or rejects it, and answers. What it accepts is in its history, what it
/// rejects leaves no trace. When this is answered, the update is durable, unless it was rejected.
/// Send an `update_id` and repeat the same request when you get no answer, or a stage that is not
/// final: it is one update, and has one outcome. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/updates/{update}",
    operation_id = "update_run",
    tag = "runs",
    params(NamespacePath, UpdatePath, SendQuery),
    request_body = Option<UpdateRequest>,
    responses(
        (status = 200, description = "It has come as far as asked.", body = UpdateAnswer),
        (status = 202, description = "It has not yet; ask again.", body = UpdateAnswer),
        ErrorBody
    )
)]
pub(crate) async fn update(
    Door(tenant): Door,
    Path(path): Path<UpdatePath>,
    Query(query): Query<SendQuery>,
    JsonOrEmpty(request): JsonOrEmpty<UpdateRequest>,
) -> Result<(StatusCode, Json<UpdateAnswer>), ApiError> {
    let UpdatePath { workflow_id, update } = path;
    let run = RunRef { workflow_id, run_id: query.run_id };
    let wait = query.wait.map(wait_of).transpose()?;
    let (update, wait_for) = request.into_update(UpdateName::new(update)?)?;
    let wait = UpdateWait::of_sender(wait_for, wait);
    let result = to_the_end(async move { tenant.update_run(&run, update, wait).await }).await?;
    Ok(answer(result, wait))
}

/// Look at an update.
///
/// How far it has come, and its outcome, also after the end of the run.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/updates/{update}",
    operation_id = "get_update",
    tag = "runs",
    params(NamespacePath, UpdatePath, LookQuery),
    responses(
        (status = 200, description = "It has come as far as asked.", body = UpdateAnswer),
        (status = 202, description = "It has not yet; ask again.", body = UpdateAnswer),
        ErrorBody
    )
)]
pub(crate) async fn show(
    Door(tenant): Door,
    Path(path): Path<UpdatePath>,
    Query(query): Query<LookQuery>,
) -> Result<(StatusCode, Json<UpdateAnswer>), ApiError> {
    let UpdatePath { workflow_id, update } = path;
    let run = RunRef { workflow_id, run_id: query.run_id };
    let wait = UpdateWait {
        wait_for: query.wait_for.map(Into::into).unwrap_or_default(),
        wait: look_wait_of(query.wait)?,
    };
    let result = tenant.describe_update(&run, UpdateId::new(update)?, wait).await?;
    Ok(answer(result, wait))
}

fn answer(result: UpdateResult, wait: UpdateWait) -> (StatusCode, Json<UpdateAnswer>) {
    let is_over = wait.is_over(&result.progress);
    let status = if is_over { StatusCode::OK } else { StatusCode::ACCEPTED };
    (status, Json(result.into()))
}
