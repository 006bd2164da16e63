//! A worker asks for tasks.

use axum::response::Response;

use super::{QueuePath, handover};
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Json, Path};
use crate::v1::NamespacePath;
use crate::wire::task::{PollTasksRequest, PolledTasks};

/// Ask for tasks of a queue.
///
/// Answered at once with the tasks that are there, else when the first comes; with an empty list
/// when the wait is over, or the server stops: ask again. Each task is leased to this worker until
/// `lease_until`. Say that you are alive (`activities/heartbeats`) before that, or report how it
/// ended (`activities/reports`); a lease that is over counts as a failed attempt, and the task goes
/// to another worker. Tasks of an answer that you have left before its end go back to the queue.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/task-queues/{queue}/poll",
    operation_id = "poll_tasks",
    tag = "workers",
    params(NamespacePath, QueuePath),
    request_body = PollTasksRequest,
    responses((status = 200, description = "Tasks, perhaps none.", body = PolledTasks), ErrorBody)
)]
pub(crate) async fn poll(
    Door(tenant): Door,
    Path(path): Path<QueuePath>,
    Json(request): Json<PollTasksRequest>,
) -> Result<Response, ApiError> {
    let request = request.into_poll(path.queue);
    let tasks = tenant.poll_tasks(request).await?;
    Ok(handover::answer(tenant, tasks))
}
