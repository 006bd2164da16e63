//! What is sent.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

/// Names a run: the latest of a workflow id, or a certain one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAddress {
    /// The caller's name for the workflow.
    pub workflow_id: String,
    /// A certain run of it.
    pub run_id: Option<String>,
}

/// Names an activity without a workflow: the latest of an id, or a certain run of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityAddress {
    /// The caller's name for it.
    pub activity_id: String,
    /// A certain run.
    pub run_id: Option<String>,
}

/// A request to start an activity without a workflow.
#[derive(Debug, Serialize)]
pub struct StartActivityBody {
    /// Its type.
    pub activity: String,
    /// Whose workers do it.
    pub task_queue: String,
    /// The caller's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity_id: Option<String>,
    /// By which a repeat is recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The argument, sent byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Box<RawValue>>,
    /// How to make it.
    pub options: StartActivityOptions,
}

/// How to make an activity.
#[derive(Debug, Default, Serialize)]
pub struct StartActivityOptions {
    /// If the latest one of the id is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_reuse_policy: Option<&'static str>,
    /// If one of the id is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_conflict_policy: Option<&'static str>,
    /// All else, by its name.
    #[serde(flatten)]
    pub more: BTreeMap<String, Box<RawValue>>,
}

/// A request to start a run.
#[derive(Debug, Serialize)]
pub struct StartBody {
    /// The workflow's type.
    pub workflow: String,
    /// The caller's name for the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// By which a repeat is recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The argument, sent byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Box<RawValue>>,
    /// A signal for the run that this leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<StartSignal>,
    /// How to start it.
    pub options: StartOptions,
}

/// A signal that goes with a start.
#[derive(Debug, Serialize)]
pub struct StartSignal {
    /// What it is about.
    pub name: String,
    /// What it says, sent byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Box<RawValue>>,
}

/// A request to signal a run.
#[derive(Debug, Serialize)]
pub struct SignalBody {
    /// What it says, sent byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Box<RawValue>>,
    /// By which a repeat is recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// A request to query a run.
#[derive(Debug, Serialize)]
pub struct QueryBody {
    /// The argument, sent byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Box<RawValue>>,
}

/// A request to update a run.
#[derive(Debug, Serialize)]
pub struct UpdateBody {
    /// The argument, sent byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Box<RawValue>>,
    /// By which a repeat is recognised.
    pub update_id: String,
    /// What to wait for.
    pub wait_for: &'static str,
}

/// How to start a run.
#[derive(Debug, Default, Serialize)]
pub struct StartOptions {
    /// The module that defines the type, where several do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// If the latest run of the workflow id is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_reuse_policy: Option<&'static str>,
    /// If a run of the workflow id is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_conflict_policy: Option<&'static str>,
    /// All else, by its name.
    #[serde(flatten)]
    pub more: BTreeMap<String, Box<RawValue>>,
}
