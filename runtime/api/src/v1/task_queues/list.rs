//! Lists task queues.

use axum::Json;
use dacapo_model::ids::QueueName;
use dacapo_service::operations::page_size_of;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::page_token;
use crate::v1::NamespacePath;
use crate::wire::task_queue::{TaskQueue, TaskQueueList};

/// Where a list goes on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Queues on a page; 100 if absent. There are never more than 100 on one: each is looked at.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next_page_token` of the page before.
    #[serde(default)]
    page_token: Option<String>,
}

/// List task queues.
///
/// Those in which tasks wait, which workers have polled in the last five minutes, or of which anything
/// is set, by name.
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
    let limit = page_size_of(query.limit)?;
    let after =
        query.page_token.as_deref().map(page_token::decode_name::<QueueName>).transpose()?;
    let page = tenant.list_task_queues(after, limit).await?;
    Ok(Json(TaskQueueList {
        task_queues: page.queues.into_iter().map(TaskQueue::from).collect(),
        next_page_token: page.next.map(page_token::encode_name),
    }))
}
