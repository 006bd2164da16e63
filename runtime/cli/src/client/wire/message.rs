//! What runs answer, and what became of what they were sent.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Failure, raw};

/// The answer to a query.
#[derive(Debug, Deserialize)]
pub struct QueryAnswer {
    /// The answer, if it is JSON.
    #[serde(default, deserialize_with = "raw")]
    pub result: Option<Box<RawValue>>,
    /// The answer, if it is not.
    #[serde(default)]
    pub result_base64: Option<String>,
}

/// How far an update has come.
#[derive(Debug, Deserialize)]
pub struct UpdateAnswer {
    /// How far.
    pub stage: String,
    /// What it came to, if it is JSON.
    #[serde(default, deserialize_with = "raw")]
    pub result: Option<Box<RawValue>>,
    /// What it came to, if it is not.
    #[serde(default)]
    pub result_base64: Option<String>,
    /// Why it failed or was rejected.
    #[serde(default)]
    pub failure: Option<Failure>,
}

/// What a run has not done with its signals.
#[derive(Debug, Default, Deserialize)]
pub struct SignalsReport {
    /// Those that nobody has taken.
    #[serde(default)]
    pub untaken_signals: Vec<SignalsLeft>,
    /// Those that say something else than the workflow expects.
    #[serde(default)]
    pub invalid_signals: Vec<SignalsLeft>,
}

/// Signals of one name.
#[derive(Debug, Deserialize)]
pub struct SignalsLeft {
    /// The name.
    pub name: String,
    /// How many.
    pub count: u64,
    /// What is wrong with the last of them.
    #[serde(default)]
    pub problem: Option<String>,
}
