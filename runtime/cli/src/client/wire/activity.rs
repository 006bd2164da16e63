//! Activities without a workflow.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{ActivityLease, Blocked, Failure, TaskQueue, raw};

/// The activity that a start led to.
#[derive(Debug, Deserialize)]
pub struct StartedActivity {
    /// The caller's name for it.
    pub activity_id: String,
    /// Its run.
    pub run_id: String,
    /// False if it was there already.
    pub started: bool,
}

/// An activity in a list.
#[derive(Debug, Deserialize)]
pub struct Activity {
    /// The caller's name for it.
    pub activity_id: String,
    /// Its run.
    pub run_id: String,
    /// What runs.
    pub activity_type: String,
    /// Where it stands.
    pub status: String,
    /// When it started.
    pub started_at: String,
    /// When it closed.
    #[serde(default)]
    pub closed_at: Option<String>,
    /// Why the server can't go on with it.
    #[serde(default)]
    pub blocked: Option<Blocked>,
    /// What is said about it, for people.
    #[serde(default)]
    pub memo: BTreeMap<String, Box<RawValue>>,
    /// What is said about it, with types.
    #[serde(default)]
    pub search_attributes: BTreeMap<String, Value>,
    /// Its labels.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub struct ActivityPage {
    /// The activities.
    pub activities: Vec<Activity>,
    /// Where the next page begins.
    #[serde(default)]
    pub next_page_token: Option<String>,
}

/// What is known of an activity.
#[derive(Debug, Deserialize)]
pub struct ActivityDescription {
    /// The summary, as in lists.
    #[serde(flatten)]
    pub activity: Activity,
    /// The attempt that runs, comes next or was the last.
    #[serde(default)]
    pub attempt: Option<u32>,
    /// When the next attempt is due.
    #[serde(default)]
    pub next_attempt_at: Option<String>,
    /// What the attempt before failed with.
    #[serde(default)]
    pub last_failure: Option<Failure>,
    /// What the last heartbeat said.
    #[serde(default, deserialize_with = "raw")]
    pub heartbeat_details: Option<Box<RawValue>>,
    /// The worker that has it.
    #[serde(default)]
    pub lease: Option<ActivityLease>,
    /// Whether it was asked to cancel.
    pub cancel_requested: bool,
    /// Whether an operator holds it.
    pub paused: bool,
    /// Until when its start is delayed.
    #[serde(default)]
    pub delayed_until: Option<String>,
    /// How it was asked for.
    #[serde(default)]
    pub options: Option<AskedOptions>,
}

/// How an activity was asked for.
#[derive(Debug, Deserialize)]
pub struct AskedOptions {
    /// Where its attempts wait for a worker.
    #[serde(default)]
    pub task_queue: Option<TaskQueue>,
}
