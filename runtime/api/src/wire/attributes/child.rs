//! What events about children hold.

use std::collections::{BTreeMap, BTreeSet};

use dacapo_model::event;
use dacapo_model::execution::ParentRun;
use dacapo_model::ids::{EventId, OperationId, RunId, TypeName, WorkflowId};
use dacapo_model::tag::Tags;
use serde::Serialize;
use utoipa::ToSchema;

use super::NamedModule;
use super::RetryPolicy;
use crate::wire::failure::Failure;
use crate::wire::mirror::mirror;
use crate::wire::options::{SearchAttribute, show_memo, show_search_attributes};
use crate::wire::payload::{self, RawJson};
use crate::wire::request::IdReusePolicy;

mirror! {
    /// What becomes of a child when its parent closes.
    ParentClosePolicy = event::ParentClosePolicy {
        /// It is terminated.
        Terminate,
        /// Nothing: it goes on alone.
        Abandon,
        /// It is asked to cancel.
        RequestCancel,
    }
}

mirror! {
    /// What cancelling the wait for a child means.
    ChildCancellationType = event::ChildCancellationType {
        /// The child is asked to cancel, and the wait goes on until it has closed.
        WaitCancellationCompleted,
        /// The child is asked to cancel, and the wait ends once it has been told.
        WaitCancellationRequested,
        /// The child is asked to cancel, and the wait ends at once.
        TryCancel,
        /// The child is not told, and the wait ends at once.
        Abandon,
    }
}

/// The run that started another as its child.
#[derive(Serialize, ToSchema)]
pub(crate) struct Parent {
    /// The caller's name for it.
    #[schema(value_type = String)]
    workflow_id: WorkflowId,
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// Its `StartChildWorkflowExecutionInitiated`. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    initiated_event_id: Option<EventId>,
    /// What becomes of the child when it closes. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_close_policy: Option<ParentClosePolicy>,
    /// The name of the run at the root of the tree: of the parent's own root, or of the parent.
    #[schema(value_type = String)]
    root_workflow_id: WorkflowId,
    /// That run.
    #[schema(value_type = String, format = "uuid")]
    root_run_id: RunId,
}

impl From<event::ParentExecution> for Parent {
    fn from(parent: event::ParentExecution) -> Self {
        Self {
            workflow_id: parent.workflow_id,
            run_id: parent.run_id,
            initiated_event_id: Some(parent.initiated_event_id),
            parent_close_policy: Some(parent.parent_close_policy.into()),
            root_workflow_id: parent.root.workflow_id,
            root_run_id: parent.root.run_id,
        }
    }
}

impl From<ParentRun> for Parent {
    fn from(parent: ParentRun) -> Self {
        Self {
            workflow_id: parent.workflow_id,
            run_id: parent.run_id,
            initiated_event_id: None,
            parent_close_policy: None,
            root_workflow_id: parent.root.workflow_id,
            root_run_id: parent.root.run_id,
        }
    }
}

/// A child that is to start.
#[derive(Serialize, ToSchema)]
pub(crate) struct StartChildWorkflowExecutionInitiated {
    /// The workflow's name for its start.
    #[schema(value_type = u32)]
    started_operation_id: OperationId,
    /// The workflow's name for its end.
    #[schema(value_type = u32)]
    closed_operation_id: OperationId,
    /// What it runs.
    #[schema(value_type = String)]
    workflow_type: TypeName,
    /// Its name.
    #[schema(value_type = String)]
    workflow_id: WorkflowId,
    /// Its first run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// Its argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_base64: Option<String>,
    /// If the latest run of the workflow id is closed.
    id_reuse_policy: IdReusePolicy,
    /// What becomes of it when this run closes.
    parent_close_policy: ParentClosePolicy,
    /// What cancelling the wait for it means.
    cancellation_type: ChildCancellationType,
    /// The module that defines it; absent if it is this run's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<NamedModule>,
    /// How it is to run, where anything was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<ChildRunOptions>,
}

/// How a child is to run.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChildRunOptions {
    /// How long each of its runs may take, from its first activation.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_timeout_seconds: Option<f64>,
    /// How long its runs may take together.
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_timeout_seconds: Option<f64>,
    /// How long it waits before its workflow runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_delay_seconds: Option<f64>,
    /// Whether another run follows if one of it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_policy: Option<RetryPolicy>,
    /// What is said about it, for people.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    memo: BTreeMap<String, RawJson>,
    /// What is said about it, with types.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    search_attributes: BTreeMap<String, SearchAttribute>,
    /// Its labels.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    tags: Tags,
}

/// None if nothing was asked for.
fn run_options(options: event::ChildOptions) -> Option<ChildRunOptions> {
    let shown = ChildRunOptions {
        run_timeout_seconds: options.run_timeout.map(|it| it.as_secs_f64()),
        execution_timeout_seconds: options.execution_timeout.map(|it| it.as_secs_f64()),
        start_delay_seconds: Some(options.start_delay.as_secs_f64()).filter(|it| *it > 0.0),
        retry_policy: options.retry.map(RetryPolicy::from),
        memo: show_memo(options.attributes.memo),
        search_attributes: show_search_attributes(options.attributes.search_attributes),
        tags: options.attributes.tags,
    };
    let is_asked_for = shown.run_timeout_seconds.is_some()
        || shown.execution_timeout_seconds.is_some()
        || shown.start_delay_seconds.is_some()
        || shown.retry_policy.is_some()
        || !shown.memo.is_empty()
        || !shown.search_attributes.is_empty()
        || !shown.tags.is_empty();
    is_asked_for.then_some(shown)
}

impl From<event::StartChildWorkflowExecutionInitiated> for StartChildWorkflowExecutionInitiated {
    fn from(child: event::StartChildWorkflowExecutionInitiated) -> Self {
        let (input, input_base64) = payload::embed(&child.input);
        let mut asked = child.options;
        let module = asked.module.take();
        Self {
            started_operation_id: child.started_operation_id,
            closed_operation_id: child.closed_operation_id,
            workflow_type: child.workflow_type,
            workflow_id: child.workflow_id,
            run_id: child.run_id,
            input,
            input_base64,
            id_reuse_policy: asked.reuse_policy.into(),
            parent_close_policy: asked.parent_close_policy.into(),
            cancellation_type: asked.cancellation_type.into(),
            module: module.map(NamedModule::from),
            options: run_options(asked),
        }
    }
}

/// A child that could not start.
#[derive(Serialize, ToSchema)]
pub(crate) struct StartChildWorkflowExecutionFailed {
    /// Its `StartChildWorkflowExecutionInitiated`.
    #[schema(value_type = u64)]
    initiated_event_id: EventId,
    /// The workflow's name for its start.
    #[schema(value_type = u32)]
    started_operation_id: OperationId,
    /// The workflow's name for its end.
    #[schema(value_type = u32)]
    closed_operation_id: OperationId,
    /// Why.
    failure: Failure,
}

impl From<event::StartChildWorkflowExecutionFailed> for StartChildWorkflowExecutionFailed {
    fn from(event: event::StartChildWorkflowExecutionFailed) -> Self {
        Self {
            initiated_event_id: event.initiated_event_id,
            started_operation_id: event.started_operation_id,
            closed_operation_id: event.closed_operation_id,
            failure: event.failure.into(),
        }
    }
}

/// A child that has started.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChildWorkflowExecutionStarted {
    /// Its `StartChildWorkflowExecutionInitiated`.
    #[schema(value_type = u64)]
    initiated_event_id: EventId,
    /// The workflow's name for its start.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// Its name.
    #[schema(value_type = String)]
    workflow_id: WorkflowId,
    /// Its first run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
}

impl From<event::ChildWorkflowExecutionStarted> for ChildWorkflowExecutionStarted {
    fn from(event: event::ChildWorkflowExecutionStarted) -> Self {
        Self {
            initiated_event_id: event.initiated_event_id,
            operation_id: event.operation_id,
            workflow_id: event.workflow_id,
            run_id: event.run_id,
        }
    }
}

/// The result of a child.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChildWorkflowExecutionCompleted {
    /// Its `StartChildWorkflowExecutionInitiated`.
    #[schema(value_type = u64)]
    initiated_event_id: EventId,
    /// The workflow's name for its end.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// Its result.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_base64: Option<String>,
}

impl From<event::ChildWorkflowExecutionCompleted> for ChildWorkflowExecutionCompleted {
    fn from(event: event::ChildWorkflowExecutionCompleted) -> Self {
        let (result, result_base64) = payload::embed(&event.result);
        Self {
            initiated_event_id: event.initiated_event_id,
            operation_id: event.operation_id,
            result,
            result_base64,
        }
    }
}

/// The failure of a child.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChildWorkflowExecutionFailed {
    /// Its `StartChildWorkflowExecutionInitiated`.
    #[schema(value_type = u64)]
    initiated_event_id: EventId,
    /// The workflow's name for its end.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// Why.
    failure: Failure,
}

impl From<event::ChildWorkflowExecutionFailed> for ChildWorkflowExecutionFailed {
    fn from(event: event::ChildWorkflowExecutionFailed) -> Self {
        Self {
            initiated_event_id: event.initiated_event_id,
            operation_id: event.operation_id,
            failure: event.failure.into(),
        }
    }
}

/// A child that ended because it was asked to.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChildWorkflowExecutionCanceled {
    /// Its `StartChildWorkflowExecutionInitiated`.
    #[schema(value_type = u64)]
    initiated_event_id: EventId,
    /// The workflow's name for its end.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// What it had to say.
    details: String,
}

impl From<event::ChildWorkflowExecutionCanceled> for ChildWorkflowExecutionCanceled {
    fn from(event: event::ChildWorkflowExecutionCanceled) -> Self {
        Self {
            initiated_event_id: event.initiated_event_id,
            operation_id: event.operation_id,
            details: event.details,
        }
    }
}

/// A child that ran out of its time.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChildWorkflowExecutionTimedOut {
    /// Its `StartChildWorkflowExecutionInitiated`.
    #[schema(value_type = u64)]
    initiated_event_id: EventId,
    /// The workflow's name for its end.
    #[schema(value_type = u32)]
    operation_id: OperationId,
}

impl From<event::ChildWorkflowExecutionTimedOut> for ChildWorkflowExecutionTimedOut {
    fn from(event: event::ChildWorkflowExecutionTimedOut) -> Self {
        Self { initiated_event_id: event.initiated_event_id, operation_id: event.operation_id }
    }
}

/// A child that was ended from outside.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChildWorkflowExecutionTerminated {
    /// Its `StartChildWorkflowExecutionInitiated`.
    #[schema(value_type = u64)]
    initiated_event_id: EventId,
    /// The workflow's name for its end.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// Why, for people.
    reason: String,
}

impl From<event::ChildWorkflowExecutionTerminated> for ChildWorkflowExecutionTerminated {
    fn from(event: event::ChildWorkflowExecutionTerminated) -> Self {
        Self {
            initiated_event_id: event.initiated_event_id,
            operation_id: event.operation_id,
            reason: event.reason,
        }
    }
}
