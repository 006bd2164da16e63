//! What an attempt knows about itself.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::failure::Failure;
use crate::lease::Terms;
use crate::payload::Payload;
use crate::wire::{Task, length};

/// What an attempt knows about itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TaskInfo {
    /// The namespace of the run.
    pub namespace: String,
    /// The task queue that the attempt came from.
    pub task_queue: String,
    /// The workflow id of the run that waits for it.
    pub workflow_id: String,
    /// The run that waits for it.
    pub run_id: String,
    /// The type of that workflow.
    pub workflow_type: String,
    /// Names the activity in its run. The same for all attempts.
    pub operation_id: u32,
    /// What runs.
    pub activity_type: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// When the activity was scheduled, by the server's clock.
    pub scheduled_at: SystemTime,
    /// When this attempt began, by the server's clock.
    pub started_at: SystemTime,
    /// Limit for this attempt.
    pub start_to_close_timeout: Duration,
    /// Limit for all attempts together.
    pub schedule_to_close_timeout: Option<Duration>,
    /// Longest silence. The worker keeps it for you as long as the function runs.
    pub heartbeat_timeout: Option<Duration>,
    /// What the attempt before failed with.
    pub last_failure: Option<Failure>,
    /// What the last heartbeat of an attempt before said.
    pub heartbeat_details: Option<Payload>,
    /// Headers of the trace that the workflow belongs to, such as `traceparent`.
    pub trace_context: BTreeMap<String, String>,
}

impl TaskInfo {
    /// The same for all attempts of the activity, and for no other: what a service that
    /// knows idempotency keys is to be given.
    pub fn idempotency_key(&self) -> String {
        format!("{}-{}", self.run_id, self.operation_id)
    }

    /// When this attempt has to have ended, by the server's clock.
    pub fn deadline(&self) -> SystemTime {
        let own = self.started_at + self.start_to_close_timeout;
        match self.schedule_to_close_timeout {
            Some(limit) => own.min(self.scheduled_at + limit),
            None => own,
        }
    }

    /// How long the attempt has from its beginning.
    pub(crate) fn time_left(&self) -> Duration {
        self.deadline().duration_since(self.started_at).unwrap_or_default()
    }

    pub(crate) fn terms(&self, lease: Duration, throttle: Duration) -> Terms {
        Terms {
            length: lease,
            time_left: Some(self.time_left()),
            heartbeat_timeout: self.heartbeat_timeout,
            throttle,
        }
    }

    /// Of a task that the server gave out.
    pub(crate) fn of(task: &mut Task, namespace: &str, task_queue: &str) -> Self {
        /// Longest limit that is counted with.
        const LIMIT_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);
        let limit = |seconds: f64| length(seconds).map_or(LIMIT_MAX, |it| it.min(LIMIT_MAX));
        Self {
            namespace: namespace.to_owned(),
            task_queue: task_queue.to_owned(),
            workflow_id: std::mem::take(&mut task.workflow_id),
            run_id: std::mem::take(&mut task.run_id),
            workflow_type: std::mem::take(&mut task.workflow_type),
            operation_id: task.operation_id,
            activity_type: std::mem::take(&mut task.activity_type),
            attempt: task.attempt,
            scheduled_at: task.scheduled_at.into(),
            started_at: task.started_at.into(),
            start_to_close_timeout: limit(task.start_to_close_timeout_seconds),
            schedule_to_close_timeout: task.schedule_to_close_timeout_seconds.map(limit),
            heartbeat_timeout: task.heartbeat_timeout_seconds.and_then(length),
            last_failure: task.last_failure.take(),
            heartbeat_details: task.heartbeat_details.take().map(Payload::from),
            trace_context: task.trace_context.take().unwrap_or_default(),
        }
    }
}
