//! What a run waits for.

use serde::Deserialize;

use super::{SignalsReport, TaskQueue};

/// Where a run waits.
#[derive(Debug, Deserialize)]
pub struct RunWaiting {
    /// Where it stands.
    pub status: String,
    /// What its code waits for.
    #[serde(default)]
    pub waiting_for: Option<Awaited>,
    /// The same in full.
    #[serde(default)]
    pub waits: Vec<Awaited>,
    /// How many more there are.
    #[serde(default)]
    pub more_waits: u64,
    /// Signals that nobody has taken, and those that were set aside.
    #[serde(flatten)]
    pub signals: SignalsReport,
    /// Where in the code.
    #[serde(default)]
    pub backtrace: Option<String>,
}

/// What the code of a run waits for. Which fields are there depends on the kind.
#[derive(Debug, Deserialize)]
pub struct Awaited {
    /// Of what kind it is.
    pub kind: String,
    /// Which operation.
    #[serde(default)]
    pub operation_id: Option<u32>,
    /// Which activity.
    #[serde(default)]
    pub activity_type: Option<String>,
    /// Which of its attempts.
    #[serde(default)]
    pub attempt: Option<u32>,
    /// Where its attempts wait for a worker.
    #[serde(default)]
    pub task_queue: Option<TaskQueue>,
    /// When a timer fires.
    #[serde(default)]
    pub fire_at: Option<String>,
    /// Which signal.
    #[serde(default)]
    pub signal_name: Option<String>,
    /// What a child runs.
    #[serde(default)]
    pub workflow_type: Option<String>,
    /// The name of a child, or of another run.
    #[serde(default)]
    pub workflow_id: Option<String>,
    /// Whether a child has started.
    #[serde(default)]
    pub started: bool,
    /// What it is to the code that decides about it.
    #[serde(default)]
    pub what: Option<String>,
    /// Where in the code.
    #[serde(default)]
    pub location: Option<String>,
    /// Why it is not known.
    #[serde(default)]
    pub reason: Option<String>,
}
