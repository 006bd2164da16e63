//! Changes what is set of a task queue.

use axum::Json as JsonBody;

use super::QueuePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Json, Path};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::task_queue::{ChangeTaskQueueRequest, TaskQueueSettings};

/// Set limits of a task queue, or drain it.
///
/// What the body leaves out stays as it is, and `null` takes a limit away. Limits are over all workers
/// of the queue. They hold for all that is handed out from the answer on, and are kept: the next server
/// goes by them. What workers have in hand stays with them, also if it is more than a new limit
/// allows. A drained queue hands out nothing until it is set to `false`; its tasks wait, and their
/// timeouts go on.
#[utoipa::path(
    patch,
    path = "/api/v1/namespaces/{namespace}/task-queues/{queue}",
    operation_id = "change_task_queue",
    tag = "workers",
    params(NamespacePath, QueuePath),
    request_body = ChangeTaskQueueRequest,
    responses((status = 200, description = "What is set now.", body = TaskQueueSettings), ErrorBody)
)]
pub(crate) async fn change(
    Door(tenant): Door,
    Path(path): Path<QueuePath>,
    Json(request): Json<ChangeTaskQueueRequest>,
) -> Result<JsonBody<TaskQueueSettings>, ApiError> {
    let change = request.into_change()?;
    let changed = async move { tenant.change_task_queue(&path.queue, &change).await };
    Ok(JsonBody(to_the_end(changed).await?.into()))
}
