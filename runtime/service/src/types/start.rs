//! What a start asks for, and what it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dacapo_model::attributes::RunAttributes;
use dacapo_model::execution::{IdConflictPolicy, IdReusePolicy};
use dacapo_model::ids::{ModuleName, RequestId, RunId, TypeName, WorkflowId};
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryPolicy;
use dacapo_model::signal::Signal;
use dacapo_model::update::Update;

/// What to start.
#[derive(Debug, Clone, PartialEq)]
pub struct StartRequest {
    /// What.
    pub workflow_type: TypeName,
    /// The caller's name for it; without one, the run's id is its name.
    pub workflow_id: Option<WorkflowId>,
    /// By which a repeat of this request is recognised.
    pub request_id: Option<RequestId>,
    /// The workflow's argument.
    pub input: Payload,
    /// The module that defines the type, where several do.
    pub module: Option<ModuleName>,
    /// If the latest run of the workflow id is closed.
    pub reuse_policy: IdReusePolicy,
    /// If a run of the workflow id is open. If absent, it depends on what the start brings.
    pub conflict_policy: Option<IdConflictPolicy>,
    /// Environment variables of the workflow.
    pub environment: BTreeMap<String, String>,
    /// Command-line arguments of the workflow.
    pub arguments: Vec<String>,
    /// How the run is to run, and what is said about it.
    pub options: StartOptions,
    /// What to tell the run that this start leads to, in the same step: a new run
    /// begins with it. Without a request id it has that of the start.
    pub signal: Option<Signal>,
    /// What to ask of the run that this start leads to, in the same step: a new run
    /// begins with it.
    pub update: Option<Update>,
}

/// How a run is to run; absent where nothing was asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StartOptions {
    /// How long each run may take.
    pub run_timeout: Option<Duration>,
    /// How long the run and those that follow it may take together.
    pub execution_timeout: Option<Duration>,
    /// How long the workflow waits before it runs.
    pub start_delay: Option<Duration>,
    /// Whether another run follows if this one fails.
    pub retry: Option<RetryPolicy>,
    /// A memo and search attributes.
    pub attributes: RunAttributes,
    /// The search attributes whose type was not said, but inferred from plain JSON: they take
    /// the type that is registered.
    pub inferred: BTreeSet<String>,
}

/// The run that a start led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The caller's name for it.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// False if it was there already.
    pub started: bool,
}
