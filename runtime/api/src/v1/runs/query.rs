//! Asks a run what it knows.

use axum::Json;
use dacapo_model::ids::{QueryName, WorkflowId};
use dacapo_model::query::Query as Question;
use dacapo_service::operations::RunRef;
use serde::Deserialize;
use utoipa::IntoParams;

use super::RunQuery;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{JsonOrEmpty, Path, Query};
use crate::v1::NamespacePath;
use crate::wire::message::{QueryAnswer, QueryRequest};

/// Names a workflow and a query.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct QueryPath {
    /// The workflow id, percent-encoded: any characters but control characters.
    #[param(value_type = String, example = "order-17")]
    workflow_id: WorkflowId,
    /// What is asked for, percent-encoded: a value that the workflow has published, or a query that
    /// it answers.
    #[param(value_type = String, example = "status")]
    name: QueryName,
}

/// Query a run.
///
/// The answer takes into account everything that was acknowledged before. Nothing is recorded. A
/// value that the workflow has published is answered in every state of the run; any other query only
/// while its code waits for whatever happens next. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/queries/{name}",
    operation_id = "query_run",
    tag = "runs",
    params(NamespacePath, QueryPath, RunQuery),
    request_body = Option<QueryRequest>,
    responses((status = 200, description = "Answered, or rejected as asked.", body = QueryAnswer), ErrorBody)
)]
pub(crate) async fn query(
    Door(tenant): Door,
    Path(path): Path<QueryPath>,
    Query(query): Query<RunQuery>,
    JsonOrEmpty(request): JsonOrEmpty<QueryRequest>,
) -> Result<Json<QueryAnswer>, ApiError> {
    let QueryPath { workflow_id, name } = path;
    let run = RunRef { workflow_id, run_id: query.run_id };
    let (input, reject_if) = request.into_parts()?;
    let answered = tenant.query_run(&run, Question { name, input }, reject_if).await?;
    Ok(Json(answered.into()))
}
