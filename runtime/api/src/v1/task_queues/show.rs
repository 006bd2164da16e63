//! Shows a task queue.

use axum::Json;

use super::QueuePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;
use crate::v1::NamespacePath;
use crate::wire::task_queue::TaskQueue;

/// Describe a task queue.
///
/// What waits in it, which workers have polled it in the last five minutes, and what they have in
/// hand. A queue that nobody has used is empty.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/task-queues/{queue}",
    operation_id = "describe_task_queue",
    tag = "workers",
    params(NamespacePath, QueuePath),
    responses((status = 200, description = "The queue.", body = TaskQueue), ErrorBody)
)]
pub(crate) async fn show(
    Door(tenant): Door,
    Path(path): Path<QueuePath>,
) -> Result<Json<TaskQueue>, ApiError> {
    Ok(Json(tenant.describe_task_queue(path.queue).await?.into()))
}
