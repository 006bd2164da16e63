//! Starts an activity without a workflow.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use dacapo_model::execution::IdConflictPolicy;
use dacapo_service::Runtime;
use dacapo_service::operations::{StandaloneRef, StartedActivity, wait_of};
use serde::Deserialize;
use utoipa::IntoParams;

use super::check_addressable;
use crate::access::check_replacement;
use crate::door::{By, Door};
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Json, Query};
use crate::memory;
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::standalone::{StartActivityAnswer, StartActivityRequest};

/// How to answer a start.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StartActivityQuery {
    /// Wait up to so many seconds (0 to 300, fractions allowed) for the end of the activity, and
    /// answer with its status and, once it is closed, how it ended.
    #[serde(default)]
    #[param(minimum = 0, maximum = 300)]
    wait: Option<f64>,
}

/// Start an activity without a workflow.
///
/// A durable job on a task queue: a worker of the queue makes it, and it is tried again as its retry
/// policy says. When this is answered, it is durable. Send a `request_id` and repeat the same request
/// when you get no answer: it starts one activity only. A start that is to take the place of an open
/// activity (`terminate_existing`) also needs the permission to terminate it, and is in the audit log as
/// that.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/activities",
    operation_id = "start_activity",
    tag = "activities",
    params(NamespacePath, StartActivityQuery),
    request_body = StartActivityRequest,
    responses(
        (status = 201, description = "Started.", body = StartActivityAnswer),
        (status = 200, description = "It was there already.", body = StartActivityAnswer),
        ErrorBody
    )
)]
pub(crate) async fn start(
    Door(tenant): Door,
    State(runtime): State<Arc<Runtime>>,
    By(caller): By,
    Query(query): Query<StartActivityQuery>,
    Json(request): Json<StartActivityRequest>,
) -> Result<(StatusCode, axum::Json<StartActivityAnswer>), ApiError> {
    let wait = query.wait.map(wait_of).transpose()?;
    let request = request.into_operation()?;
    request.activity_id.as_ref().map_or(Ok(()), check_addressable)?;
    if let (Some(id), IdConflictPolicy::TerminateExisting) =
        (&request.activity_id, request.conflict_policy)
    {
        check_replacement(&runtime, &caller, &tenant, "terminate_activity", id.as_str()).await?;
    }
    if let Some(wait) = wait
        && memory::holds_much()
    {
        // The wait is long, and the input needs no memory once the start is committed.
        let started = {
            let tenant = tenant.clone();
            to_the_end(async move { tenant.start_activity(request).await }).await?
        };
        memory::give_back();
        let (activity_id, run_id) = (started.activity_id.clone(), Some(started.run_id));
        let waited = tenant.activity_result(&StandaloneRef { activity_id, run_id }, wait).await;
        let answer = StartActivityAnswer::new(started.clone(), waited.ok());
        return Ok((status_of(&started), axum::Json(answer)));
    }
    let (started, waited) = to_the_end(async move {
        match wait {
            Some(wait) => tenant.start_activity_and_wait(request, wait).await,
            None => tenant.start_activity(request).await.map(|started| (started, None)),
        }
    })
    .await?;
    Ok((status_of(&started), axum::Json(StartActivityAnswer::new(started, waited))))
}

fn status_of(started: &StartedActivity) -> StatusCode {
    if started.started { StatusCode::CREATED } else { StatusCode::OK }
}
