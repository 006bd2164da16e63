//! What a worker gets.

use std::time::Duration;

use dacapo_model::event::ActivityOptions;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{OperationId, RunId, TypeName, WorkflowId};
use dacapo_model::payload::Payload;
use dacapo_model::task_token::TaskToken;
use dacapo_model::time::Timestamp;
use dacapo_model::trace::TraceContext;

/// A task in a worker's hand.
#[derive(Debug, Clone, PartialEq)]
pub struct HandedTask {
    /// Names the attempt, for its worker alone.
    pub token: TaskToken,
    /// The workflow that asked for it.
    pub workflow_id: WorkflowId,
    /// The run that asked for it.
    pub run_id: RunId,
    /// The type of that workflow.
    pub workflow_type: TypeName,
    /// That workflow's name for the activity.
    pub operation_id: OperationId,
    /// What is to run.
    pub activity_type: TypeName,
    /// Its argument.
    pub input: Payload,
    /// The attempt, from 1.
    pub attempt: u32,
    /// How it is to be run.
    pub options: ActivityOptions,
    /// When the activity was scheduled.
    pub scheduled_at: Timestamp,
    /// When this attempt began.
    pub started_at: Timestamp,
    /// When it counts as failed unless its worker is heard of.
    pub lease_until: Timestamp,
    /// How far a heartbeat prolongs that.
    pub lease: Duration,
    /// What the attempt before failed with.
    pub last_failure: Option<Failure>,
    /// What the last heartbeat said.
    pub heartbeat_details: Option<Payload>,
    /// What goes with what it asks others for, if it belongs to a trace.
    pub trace: Option<TraceContext>,
}
