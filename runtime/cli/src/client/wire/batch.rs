//! Operations on many runs.

use serde::Deserialize;

/// The batch that a start led to.
#[derive(Debug, Deserialize)]
pub struct StartedBatch {
    /// The caller's name for it.
    #[serde(default)]
    pub batch_id: Option<String>,
    /// Of a dry run: how many runs match.
    #[serde(default)]
    pub matched: Option<u64>,
}

/// A batch in a list.
#[derive(Debug, Deserialize)]
pub struct Batch {
    /// The caller's name for it.
    pub batch_id: String,
    /// Its run.
    pub run_id: String,
    /// What it does.
    pub operation: String,
    /// Where it stands.
    pub status: String,
    /// When it was started.
    pub started_at: String,
    /// When it ended.
    #[serde(default)]
    pub closed_at: Option<String>,
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub struct BatchPage {
    /// The batches.
    pub batches: Vec<Batch>,
    /// Where the next page begins.
    #[serde(default)]
    pub next_page_token: Option<String>,
}

/// A run that refused.
#[derive(Debug, Deserialize)]
pub struct BatchFailure {
    /// Its workflow id.
    pub workflow_id: String,
    /// The run.
    pub run_id: String,
    /// The stable code.
    pub code: String,
    /// Why.
    pub message: String,
}

/// What is known of a batch.
#[derive(Debug, Deserialize)]
pub struct BatchDescription {
    /// What lists say of it.
    #[serde(flatten)]
    pub batch: Batch,
    /// With which runs.
    #[serde(default)]
    pub filter: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Runs that matched when it was started.
    #[serde(default)]
    pub matched: Option<u64>,
    /// Runs with which it was done.
    pub done: u64,
    /// Runs with which there was nothing to do.
    pub skipped: u64,
    /// Runs that refused.
    pub failed: u64,
    /// The first of those.
    pub failures: Vec<BatchFailure>,
    /// Nothing is begun until it is resumed.
    pub paused: bool,
    /// Why the last attempt to go on failed.
    #[serde(default)]
    pub last_failure: Option<String>,
    /// Why it failed.
    #[serde(default)]
    pub failure: Option<String>,
}
