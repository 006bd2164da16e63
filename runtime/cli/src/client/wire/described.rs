//! A run with all that it has under way.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Failure, Run};

/// What is known of a run.
#[derive(Debug, Deserialize)]
pub struct RunDescription {
    /// The summary, as in lists.
    #[serde(flatten)]
    pub run: Run,
    /// The code it is pinned to.
    pub module_digest: String,
    /// Events in its history.
    pub history_length: u64,
    /// About how many bytes it has.
    #[serde(default)]
    pub history_bytes: Option<u64>,
    /// When its workflow could run for the first time.
    #[serde(default)]
    pub execution_time: Option<String>,
    /// Whether someone asked it to cancel.
    pub cancel_requested: bool,
    /// Counts the runs since one failed.
    #[serde(default)]
    pub attempt: u32,
    /// Until when its start is delayed.
    #[serde(default)]
    pub delayed_until: Option<String>,
    /// When its time is over.
    #[serde(default)]
    pub times_out_at: Option<String>,
    /// What is said about it, for people.
    #[serde(default)]
    pub memo: BTreeMap<String, Box<RawValue>>,
    /// What is said about it, with types.
    #[serde(default)]
    pub search_attributes: BTreeMap<String, Value>,
    /// Its labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The versions of changes of its code that it follows.
    #[serde(default)]
    pub versions: BTreeMap<String, u32>,
    /// Activities without an outcome.
    pub pending_activities: Vec<PendingActivity>,
    /// Timers that have not fired.
    pub pending_timers: Vec<PendingTimer>,
    /// Children that have not closed.
    #[serde(default)]
    pub pending_children: Vec<PendingChild>,
    /// Requests to other runs that are under way.
    #[serde(default)]
    pub pending_externals: Vec<PendingExternal>,
    /// Updates without an outcome.
    #[serde(default)]
    pub pending_updates: Vec<PendingUpdate>,
    /// The names of the values that it has published.
    #[serde(default)]
    pub published: Vec<String>,
}

/// A child that has not closed.
#[derive(Debug, Deserialize)]
pub struct PendingChild {
    /// Its event.
    pub initiated_event_id: u64,
    /// Its name.
    pub workflow_id: String,
    /// What runs.
    pub workflow_type: String,
    /// Whether it is known to have started.
    pub started: bool,
    /// Whether it was asked to cancel.
    pub cancel_requested: bool,
}

/// A request to another run that is under way.
#[derive(Debug, Deserialize)]
pub struct PendingExternal {
    /// Its event.
    pub initiated_event_id: u64,
    /// Who is to get it.
    pub workflow_id: String,
    /// The signal's name; none for a request to cancel.
    #[serde(default)]
    pub signal_name: Option<String>,
}

/// An update without an outcome.
#[derive(Debug, Deserialize)]
pub struct PendingUpdate {
    /// Which one.
    pub update_id: String,
    /// Whether the workflow has taken it on.
    pub accepted: bool,
}

/// An activity without an outcome.
#[derive(Debug, Deserialize)]
pub struct PendingActivity {
    /// Its event.
    pub scheduled_event_id: u64,
    /// The workflow's name for it.
    pub operation_id: u32,
    /// What runs.
    pub activity_type: String,
    /// The attempt that runs or comes next.
    pub attempt: u32,
    /// When the next attempt is due.
    #[serde(default)]
    pub next_attempt_at: Option<String>,
    /// What the attempt before failed with.
    #[serde(default)]
    pub last_failure: Option<Failure>,
    /// Somebody else completes it.
    #[serde(default)]
    pub asynchronous: bool,
    /// The workflow asked it to cancel.
    #[serde(default)]
    pub cancel_requested: bool,
    /// An operator holds it.
    #[serde(default)]
    pub paused: bool,
    /// Where its attempts wait for a worker.
    #[serde(default)]
    pub task_queue: Option<TaskQueue>,
    /// The worker that has its attempt.
    #[serde(default)]
    pub lease: Option<ActivityLease>,
}

/// Who has an attempt.
#[derive(Debug, Deserialize)]
pub struct ActivityLease {
    /// The identity of the worker.
    pub worker: String,
}

/// The task queue of an activity.
#[derive(Debug, Deserialize)]
pub struct TaskQueue {
    /// Its name.
    pub name: String,
}

/// A timer that has not fired.
#[derive(Debug, Deserialize)]
pub struct PendingTimer {
    /// Its event.
    pub started_event_id: u64,
    /// When it fires.
    pub fire_at: String,
}
