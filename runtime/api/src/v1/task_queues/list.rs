//! Lists task queues.

use axum::Json;
use dacapo_model::ids::QueueName;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::v1::NamespacePath;
use crate::wire::task_queue::{TaskQueue, TaskQueueList};

/// Where a list goes on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// The last queue of the page before.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    after: Option<QueueName>,
}

/// List task queues.
///
/// Those in which tasks wait, which workers have polled in the last five minutes, or of which anything
/// is set, by name; 100 at most. Ask for those after the last one to see more.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/task-queues",
    operation_id = "list_task_queues",
    tag = "workers",
    params(NamespacePath, ListQuery),
    responses((status = 200, description = "The queues.", body = TaskQueueList), ErrorBody)
)]
pub(crate) async fn list(
    Door(tenant): Door,
    Query(query): Query<ListQuery>,
) -> Result<Json<TaskQueueList>, ApiError> {
    let queues = tenant.list_task_queues(query.after).await?;
    Ok(Json(TaskQueueList { task_queues: queues.into_iter().map(TaskQueue::from).collect() }))
}
