//! How child workflows are asked for, start and end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::attributes::RunAttributes;
use crate::execution::IdReusePolicy;
use crate::failure::Failure;
use crate::ids::{EventId, ModuleName, OperationId, RunId, TypeName, WorkflowId};
use crate::payload::Payload;
use crate::retry::RetryPolicy;
use crate::time::{duration_micros, optional_duration_micros};

/// What becomes of a child when its parent closes, however that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParentClosePolicy {
    /// It is terminated.
    #[default]
    Terminate,
    /// Nothing: it goes on alone.
    Abandon,
    /// It is asked to cancel.
    RequestCancel,
}

/// What cancelling the wait for a child means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildCancellationType {
    /// The child is asked to cancel, and the wait goes on until it has closed.
    #[default]
    WaitCancellationCompleted,
    /// The child is asked to cancel, and the wait ends once it has been told.
    WaitCancellationRequested,
    /// The child is asked to cancel, and the wait ends at once.
    TryCancel,
    /// The child is not told, and the wait ends at once.
    Abandon,
}

/// A module by its name, for what another module defines: a child, or an activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleRef {
    /// Its name.
    pub name: ModuleName,
    /// A certain version; none means the newest when the child starts, or an attempt of
    /// the activity begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

/// How a child was asked to be run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChildOptions {
    /// The parent's name for it; none means one that follows from the parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<WorkflowId>,
    /// If the latest run of the workflow id is closed.
    #[serde(skip_serializing_if = "is_default")]
    pub reuse_policy: IdReusePolicy,
    /// What becomes of it when the parent closes.
    #[serde(skip_serializing_if = "is_default")]
    pub parent_close_policy: ParentClosePolicy,
    /// What cancelling the wait for it means.
    #[serde(skip_serializing_if = "is_default")]
    pub cancellation_type: ChildCancellationType,
    /// The module that defines it; none means the parent's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<ModuleRef>,
    /// How long each of its runs may take.
    #[serde(
        rename = "run_timeout_micros",
        with = "optional_duration_micros",
        skip_serializing_if = "Option::is_none"
    )]
    pub run_timeout: Option<Duration>,
    /// How long its runs may take together.
    #[serde(
        rename = "execution_timeout_micros",
        with = "optional_duration_micros",
        skip_serializing_if = "Option::is_none"
    )]
    pub execution_timeout: Option<Duration>,
    /// How long it waits before its guest runs.
    #[serde(
        rename = "start_delay_micros",
        with = "duration_micros",
        skip_serializing_if = "Duration::is_zero"
    )]
    pub start_delay: Duration,
    /// Whether another run follows if one of it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// What is said about it.
    #[serde(skip_serializing_if = "RunAttributes::is_empty")]
    pub attributes: RunAttributes,
}

impl ChildOptions {
    /// How much of it is as long as the guest likes.
    pub fn guest_bytes(&self) -> usize {
        let types = self.retry.iter().flat_map(|policy| &policy.non_retryable_types);
        types.map(String::len).fold(self.attributes.bytes(), usize::saturating_add)
    }

    /// Whether a history recorded these.
    pub fn is_same(&self, recorded: &Self) -> bool {
        let Self {
            workflow_id,
            reuse_policy,
            parent_close_policy,
            cancellation_type,
            module,
            run_timeout,
            execution_timeout,
            start_delay,
            retry,
            attributes,
        } = self;
        *workflow_id == recorded.workflow_id
            && *reuse_policy == recorded.reuse_policy
            && *parent_close_policy == recorded.parent_close_policy
            && *cancellation_type == recorded.cancellation_type
            && *module == recorded.module
            && *run_timeout == recorded.run_timeout
            && *execution_timeout == recorded.execution_timeout
            && *start_delay == recorded.start_delay
            && *retry == recorded.retry
            && attributes.is_same(&recorded.attributes)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The run that started another as its child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentExecution {
    /// The caller's name for it. It lives in the namespace of its child.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// Its `StartChildWorkflowExecutionInitiated`.
    pub initiated_event_id: EventId,
    /// What becomes of the child when it closes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parent_close_policy: ParentClosePolicy,
    /// The parent that has no parent: the parent's own, or the parent itself.
    pub root: RootExecution,
    /// How many runs stand between the child and its root, counting the root.
    #[serde(default = "first_generation", skip_serializing_if = "is_first_generation")]
    pub generation: u32,
}

fn first_generation() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_first_generation(generation: &u32) -> bool {
    *generation == 1
}

/// The run that a tree of children grows from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootExecution {
    /// The caller's name for it.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
}

/// Command: a child is to start. After a crash it is started again, as the same
/// run, unless an event below says that it has started or can't.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartChildWorkflowExecutionInitiated {
    /// The guest's name for its start.
    pub started_operation_id: OperationId,
    /// The guest's name for its end.
    pub closed_operation_id: OperationId,
    /// What it runs.
    pub workflow_type: TypeName,
    /// Its name.
    pub workflow_id: WorkflowId,
    /// Its first run. Follows from the parent's run and this event, so that a
    /// repeat of the start is recognised.
    pub run_id: RunId,
    /// Its argument.
    #[serde(skip)]
    pub input: Payload,
    /// How.
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: ChildOptions,
}

/// Input: a child could not start. Its end is this, too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartChildWorkflowExecutionFailed {
    /// Its `StartChildWorkflowExecutionInitiated`.
    pub initiated_event_id: EventId,
    /// The guest's name for its start.
    pub started_operation_id: OperationId,
    /// The guest's name for its end.
    pub closed_operation_id: OperationId,
    /// Why.
    pub failure: Failure,
}

/// Input: a child has started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildWorkflowExecutionStarted {
    /// Its `StartChildWorkflowExecutionInitiated`.
    pub initiated_event_id: EventId,
    /// The guest's name for its start.
    pub operation_id: OperationId,
    /// Its name.
    pub workflow_id: WorkflowId,
    /// Its first run.
    pub run_id: RunId,
}

/// Input: a child completed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildWorkflowExecutionCompleted {
    /// Its `StartChildWorkflowExecutionInitiated`.
    pub initiated_event_id: EventId,
    /// The guest's name for its end.
    pub operation_id: OperationId,
    /// Its result.
    #[serde(skip)]
    pub result: Payload,
}

/// Input: a child failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildWorkflowExecutionFailed {
    /// Its `StartChildWorkflowExecutionInitiated`.
    pub initiated_event_id: EventId,
    /// The guest's name for its end.
    pub operation_id: OperationId,
    /// The failure that it ended with.
    pub failure: Failure,
}

/// Input: a child ended because it was asked to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildWorkflowExecutionCanceled {
    /// Its `StartChildWorkflowExecutionInitiated`.
    pub initiated_event_id: EventId,
    /// The guest's name for its end.
    pub operation_id: OperationId,
    /// What it had to say.
    pub details: String,
}

/// Input: a child ran out of its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildWorkflowExecutionTimedOut {
    /// Its `StartChildWorkflowExecutionInitiated`.
    pub initiated_event_id: EventId,
    /// The guest's name for its end.
    pub operation_id: OperationId,
}

/// Input: a child was ended from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildWorkflowExecutionTerminated {
    /// Its `StartChildWorkflowExecutionInitiated`.
    pub initiated_event_id: EventId,
    /// The guest's name for its end.
    pub operation_id: OperationId,
    /// Why, for people.
    pub reason: String,
}
