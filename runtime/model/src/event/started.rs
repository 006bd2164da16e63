//! What a history begins with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ParentExecution;
use super::{Chain, RunOptions};
use crate::ids::{RequestId, RunId, TypeName};
use crate::module::ModuleDigest;
use crate::payload::Payload;

/// What was fixed when a run started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowExecutionStarted {
    /// What to run.
    pub workflow_type: TypeName,
    /// The code this run is replayed against, until it is moved to another.
    pub module_digest: ModuleDigest,
    /// Its argument.
    #[serde(skip)]
    pub input: Payload,
    /// Which rules of the engine this history was made under.
    pub engine_version: u32,
    /// By which a repeat of the start is recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// What `wasi:cli/environment` answers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// What `wasi:cli/environment` answers for the arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The run that continued as this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_from: Option<RunId>,
    /// How many of the events that follow are signals which were there when the
    /// run began. They are delivered after what the guest asks for before it
    /// first waits, although that is recorded behind them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub initial_signals: u64,
    /// The run that started it as a child. A run that continues a child is that
    /// child, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Box<ParentExecution>>,
    /// What the start asked for besides.
    #[serde(default, skip_serializing_if = "RunOptions::is_default")]
    pub options: RunOptions,
    /// The run's place among those that follow each other.
    #[serde(default, skip_serializing_if = "Chain::is_default")]
    pub chain: Chain,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
