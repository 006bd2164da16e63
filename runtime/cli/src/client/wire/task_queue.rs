//! Task queues and their workers.

use serde::Deserialize;

/// Some of the task queues of a namespace.
#[derive(Debug, Deserialize)]
pub struct TaskQueues {
    /// By name.
    pub task_queues: Vec<TaskQueueDescription>,
}

/// What is known of a task queue.
#[derive(Debug, Deserialize)]
pub struct TaskQueueDescription {
    /// Its name.
    pub name: String,
    /// Tasks that a worker could have now, by priority.
    pub backlog: Vec<Backlog>,
    /// Tasks that wait for their time, or are paused.
    pub delayed: u64,
    /// Tasks that workers have.
    pub in_hand: u64,
    /// Workers that have polled it lately.
    pub workers: Vec<Worker>,
    /// Some of the tasks that workers have.
    pub leases: Vec<TaskLease>,
}

impl TaskQueueDescription {
    /// Tasks that a worker could have now.
    pub fn ready(&self) -> u64 {
        self.backlog.iter().map(|backlog| backlog.tasks).sum()
    }

    /// Whether no worker has polled it lately, or has anything of it.
    pub fn is_left_alone(&self) -> bool {
        self.workers.is_empty() && self.in_hand == 0
    }

    /// Since when the oldest of them waits.
    pub fn oldest_since(&self) -> Option<&str> {
        // Times of one form: their texts are in their order.
        self.backlog.iter().map(|backlog| backlog.oldest_since.as_str()).min()
    }
}

/// Tasks of one priority.
#[derive(Debug, Deserialize)]
pub struct Backlog {
    /// From 1, which comes first.
    pub priority: u8,
    /// How many.
    pub tasks: u64,
    /// Since when the oldest of them waits.
    pub oldest_since: String,
}

/// A worker that polls a queue.
#[derive(Debug, Deserialize)]
pub struct Worker {
    /// What it calls itself.
    pub identity: String,
    /// The version of its code, if it says so.
    #[serde(default)]
    pub build_id: Option<String>,
    /// When its last poll began.
    pub last_poll_at: String,
}

/// A task that a worker has.
#[derive(Debug, Deserialize)]
pub struct TaskLease {
    /// The run that waits for it.
    pub run_id: String,
    /// Its event.
    pub scheduled_event_id: u64,
    /// What runs.
    pub activity_type: String,
    /// Who has it.
    pub worker: String,
    /// The attempt.
    pub attempt: u32,
    /// When the attempt began.
    pub started_at: String,
    /// When it counts as failed unless the worker says that it is alive.
    pub lease_until: String,
}
