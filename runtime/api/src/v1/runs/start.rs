//! Starts a run.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use dacapo_model::execution::IdConflictPolicy;
use dacapo_service::Runtime;
use dacapo_service::operations::{RunRef, Started, UpdateWait, wait_of};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::access::check_replacement;
use crate::door::{By, Door};
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Json, Query};
use crate::memory;
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::request::StartRequest;
use crate::wire::result::StartAnswer;

/// How to answer a start.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StartQuery {
    /// Wait up to so many seconds (0 to 300, fractions allowed) for the run to close, and answer
    /// with its status and, once it is closed, how it ended. With an update, wait for that instead.
    #[serde(default)]
    #[param(minimum = 0, maximum = 300)]
    wait: Option<f64>,
}

/// Start a run.
///
/// When this is answered, the run is durable. Send a `request_id` and repeat the same request when
/// you get no answer: it starts one run only. A start that is to take the place of an open run
/// (`terminate_existing`) also needs the permission to terminate it, and is in the audit log as that.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs",
    operation_id = "start_run",
    tag = "runs",
    params(NamespacePath, StartQuery),
    request_body = StartRequest,
    responses(
        (status = 201, description = "Started.", body = StartAnswer),
        (status = 200, description = "It was there already.", body = StartAnswer),
        ErrorBody
    )
)]
pub(crate) async fn start(
    Door(tenant): Door,
    State(runtime): State<Arc<Runtime>>,
    By(caller): By,
    Query(query): Query<StartQuery>,
    Json(mut request): Json<StartRequest>,
) -> Result<(StatusCode, axum::Json<StartAnswer>), ApiError> {
    let wait = query.wait.map(wait_of).transpose()?;
    let update = request.take_update()?;
    let request = request.into_operation()?;
    if let (Some(id), Some(IdConflictPolicy::TerminateExisting)) =
        (&request.workflow_id, request.conflict_policy)
    {
        check_replacement(&runtime, &caller, &tenant, "terminate_run", id.as_str()).await?;
    }
    if let Some((update, wait_for)) = update {
        let wait = UpdateWait::of_sender(wait_for, wait);
        let (started, update) =
            to_the_end(async move { tenant.start_run_with_update(request, update, wait).await })
                .await?;
        return Ok((status_of(&started), axum::Json(StartAnswer::with_update(started, update))));
    }
    if let Some(wait) = wait
        && memory::holds_much()
    {
        // The wait is long, and the input needs no memory once the start is committed.
        let started = {
            let tenant = tenant.clone();
            to_the_end(async move { tenant.start_run(request).await }).await?
        };
        memory::give_back();
        let (workflow_id, run_id) = (started.workflow_id.clone(), Some(started.run_id));
        let waited = tenant.run_result(&RunRef { workflow_id, run_id }, wait).await;
        return Ok((status_of(&started), axum::Json(StartAnswer::new(started, waited.ok()))));
    }
    // Without its client, a wait goes on for nobody until its time is up.
    let (started, waited) = to_the_end(async move {
        match wait {
            Some(wait) => tenant.start_run_and_wait(request, wait).await,
            None => tenant.start_run(request).await.map(|started| (started, None)),
        }
    })
    .await?;
    Ok((status_of(&started), axum::Json(StartAnswer::new(started, waited))))
}

fn status_of(started: &Started) -> StatusCode {
    if started.started { StatusCode::CREATED } else { StatusCode::OK }
}
