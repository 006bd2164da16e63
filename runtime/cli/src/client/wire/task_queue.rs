//! Task queues and their workers.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::times::{age, coarse};

/// For so long the server remembers who has polled.
const LATELY: Duration = Duration::from_secs(300);

/// Why tasks of a queue wait for more than the next poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldUp {
    /// It hands out nothing.
    Drained,
    /// No worker has polled it lately, or has anything of it.
    Unpolled,
    /// The same, of a server that was started so long ago.
    UnpolledSinceStart(Duration),
    /// No worker takes activities of these types.
    NotOffered(Vec<String>),
    /// Workers have as much of it as they may.
    Full {
        /// So many tasks.
        limit: u64,
    },
}

impl HeldUp {
    /// Whether activities of this type wait for it.
    pub fn concerns(&self, activity_type: &str) -> bool {
        match self {
            Self::NotOffered(types) => types.iter().any(|name| name == activity_type),
            _ => true,
        }
    }

    /// In a sentence about the queue.
    pub fn clause(&self) -> &'static str {
        match self {
            Self::Drained => "which is drained",
            Self::Unpolled | Self::UnpolledSinceStart(_) => "which no worker polls",
            Self::NotOffered(_) => "whose workers don't take it",
            Self::Full { .. } => "which is at its limit",
        }
    }

    /// All of it.
    pub fn sentence(&self, queue: &str) -> String {
        match self {
            Self::Drained => {
                format!("`{queue}` is drained: it hands out nothing until `dacapo queue resume`")
            }
            Self::Unpolled => format!("no worker has polled `{queue}` in the last five minutes"),
            Self::UnpolledSinceStart(age) => {
                let age = coarse(*age);
                format!("no worker has polled `{queue}` since the server was started {age} ago")
            }
            Self::NotOffered(types) => {
                let types = types.join(", ");
                format!("no worker of `{queue}` takes activities of type {types}")
            }
            Self::Full { limit } => {
                format!("`{queue}` is at its limit: {limit} of its tasks are in hand")
            }
        }
    }
}

/// Some of the task queues of a namespace.
#[derive(Debug, Deserialize)]
pub struct TaskQueues {
    /// By name.
    pub task_queues: Vec<TaskQueueDescription>,
    /// Where the next page begins.
    #[serde(default)]
    pub next_page_token: Option<String>,
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
    /// What is handed out of it at a time.
    #[serde(default)]
    pub limits: TaskQueueLimits,
    /// Whether it hands out nothing.
    #[serde(default)]
    pub drained: bool,
    /// Workers that have polled it lately.
    pub workers: Vec<Worker>,
    /// Since when the server knows who polls.
    #[serde(default)]
    pub watched_since: Option<String>,
    /// Tasks that came into it in the last minute.
    #[serde(default)]
    pub added_last_minute: u64,
    /// Tasks that were handed out in the last minute.
    #[serde(default)]
    pub handed_out_last_minute: u64,
    /// Activity types that workers take; none if one takes all.
    #[serde(default)]
    pub offered_types: Option<Vec<String>>,
    /// Types that wait although no worker takes them.
    #[serde(default)]
    pub unoffered_types: Vec<UnofferedType>,
    /// How many tasks more its limits allow now.
    #[serde(default)]
    pub room: Option<u64>,
    /// Keys that may have nothing more now.
    #[serde(default)]
    pub full_keys: Vec<FullKey>,
    /// Some of the tasks that workers have.
    pub leases: Vec<TaskLease>,
}

impl TaskQueueDescription {
    /// Tasks that a worker could have now.
    pub fn ready(&self) -> u64 {
        self.backlog.iter().map(|backlog| backlog.tasks).sum()
    }

    /// Why its tasks wait for more than the next poll, if they do.
    pub fn held_up(&self, now: SystemTime) -> Option<HeldUp> {
        if self.drained {
            return Some(HeldUp::Drained);
        }
        if self.workers.is_empty() && self.in_hand == 0 {
            let watched = self.watched_since.as_deref().and_then(|since| age(since, now));
            let since_start = watched.filter(|watched| *watched < LATELY);
            return Some(since_start.map_or(HeldUp::Unpolled, HeldUp::UnpolledSinceStart));
        }
        if !self.unoffered_types.is_empty() {
            let types = self.unoffered_types.iter().map(|it| it.activity_type.clone());
            return Some(HeldUp::NotOffered(types.collect()));
        }
        let limit = self.limits.concurrency.filter(|limit| self.in_hand >= *limit);
        limit.map(|limit| HeldUp::Full { limit })
    }

    /// Since when the oldest of them waits.
    pub fn oldest_since(&self) -> Option<&str> {
        // Times of one form: their texts are in their order.
        self.backlog.iter().map(|backlog| backlog.oldest_since.as_str()).min()
    }
}

/// What is set of a task queue.
#[derive(Debug, Deserialize)]
pub struct TaskQueueSettings {
    /// What is handed out of it at a time.
    pub limits: TaskQueueLimits,
}

/// Limits of a task queue.
#[derive(Debug, Default, Deserialize)]
pub struct TaskQueueLimits {
    /// Tasks in hand at a time.
    #[serde(default)]
    pub concurrency: Option<u64>,
    /// The same for each key.
    #[serde(default)]
    pub concurrency_per_key: Option<u64>,
    /// How fast tasks are handed out.
    #[serde(default)]
    pub rate: Option<TaskRate>,
    /// The same for each key.
    #[serde(default)]
    pub rate_per_key: Option<TaskRate>,
}

/// How fast tasks are handed out.
#[derive(Debug, Deserialize)]
pub struct TaskRate {
    /// Tasks per second.
    pub per_second: f64,
    /// Tasks at once, after a pause.
    #[serde(default)]
    pub burst: Option<u64>,
}

impl TaskQueueLimits {
    /// Each limit for people.
    pub fn told(&self) -> Vec<String> {
        let hands = |tasks: u64, of| {
            let what = if tasks == 1 { "task" } else { "tasks" };
            format!("{tasks} {what}{of} at a time")
        };
        let rate = |rate: &TaskRate, of| {
            let burst = rate.burst.map(|burst| format!(", {burst} at once")).unwrap_or_default();
            format!("{} tasks{of} per second{burst}", rate.per_second)
        };
        let told = [
            self.concurrency.map(|tasks| hands(tasks, "")),
            self.concurrency_per_key.map(|tasks| hands(tasks, " of a key")),
            self.rate.as_ref().map(|it| rate(it, "")),
            self.rate_per_key.as_ref().map(|it| rate(it, " of a key")),
        ];
        told.into_iter().flatten().collect()
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

/// An activity type that no worker takes.
#[derive(Debug, Deserialize)]
pub struct UnofferedType {
    /// The type.
    pub activity_type: String,
}

/// A fairness key that may have nothing more now.
#[derive(Debug, Deserialize)]
pub struct FullKey {
    /// The key.
    pub key: String,
    /// Its tasks that workers have.
    pub in_hand: u64,
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
    /// The workflow id of the run that waits for it.
    #[serde(default)]
    pub workflow_id: Option<String>,
    /// The run that waits for it.
    pub run_id: String,
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
