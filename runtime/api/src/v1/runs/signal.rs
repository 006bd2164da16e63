//! Sends a run a message.

use axum::Json;
use axum::http::StatusCode;
use dacapo_model::ids::{SignalName, WorkflowId};
use dacapo_service::operations::RunRef;
use serde::Deserialize;
use utoipa::IntoParams;

use super::RunQuery;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::request::SignalRequest;
use crate::wire::run::RunChanged;

/// Names a workflow and a signal.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SignalPath {
    /// The workflow id, percent-encoded: any characters but control characters.
    #[param(value_type = String, example = "order-17")]
    workflow_id: WorkflowId,
    /// What the signal is about, percent-encoded: any characters but control characters. The
    /// workflow chooses by it what to wait for.
    #[param(value_type = String, example = "approved")]
    name: SignalName,
}

/// Send a run a signal.
///
/// When this is answered, the signal is durable, and the workflow gets it, after those that were
/// answered before. It is kept for a workflow that does not wait for it yet. Without a `run_id`, a
/// run that continues as new passes it on. Send a `request_id` and repeat the same request when you
/// get no answer: it is recorded once. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/signals/{name}",
    operation_id = "signal_run",
    tag = "runs",
    params(NamespacePath, SignalPath, RunQuery),
    request_body = Option<SignalRequest>,
    responses((status = 202, description = "Recorded.", body = RunChanged), ErrorBody)
)]
pub(crate) async fn signal(
    Door(tenant): Door,
    Path(path): Path<SignalPath>,
    Query(query): Query<RunQuery>,
    JsonOrEmpty(request): JsonOrEmpty<SignalRequest>,
) -> Result<(StatusCode, Json<RunChanged>), ApiError> {
    let SignalPath { workflow_id, name } = path;
    let signal = request.into_signal(name)?;
    let run = RunRef { workflow_id, run_id: query.run_id };
    let run_id = to_the_end(async move { tenant.signal_run(&run, signal).await }).await?;
    Ok((StatusCode::ACCEPTED, Json(RunChanged { run_id })))
}
