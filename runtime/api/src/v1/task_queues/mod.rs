//! Task queues, for workers and for those who look after them.

pub(crate) mod change;
mod handover;
pub(crate) mod list;
pub(crate) mod poll;
pub(crate) mod show;

use dacapo_model::ids::QueueName;
use serde::Deserialize;
use utoipa::IntoParams;

/// Names a task queue.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct QueuePath {
    /// The task queue, percent-encoded: any characters but control characters.
    #[param(value_type = String, example = "emails")]
    queue: QueueName,
}
