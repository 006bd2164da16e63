//! How runs end.

use dacapo_model::event::EventAttributes;
use dacapo_model::ids::{RunId, WorkflowId};
use dacapo_model::time::Timestamp;
use dacapo_service::operations::{self, Closing};
use serde::Serialize;
use utoipa::ToSchema;

use super::failure::Failure;
use super::message::UpdateAnswer;
use super::payload::{self, RawJson};
use super::run::RunStatus;

/// How a run ended. Nothing of it is there while the run is open.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct Ending {
    /// Its result, if it completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_base64: Option<String>,
    /// Why it failed, if it did, or which time was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    /// Why it was terminated, or what it had to say about being canceled.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The run that follows: its next attempt, or what it was continued as.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    new_run_id: Option<RunId>,
    /// When it closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Timestamp>,
}

/// The state of a run when the wait was over.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunResult {
    /// The caller's name for it.
    #[schema(value_type = String, example = "order-17")]
    workflow_id: WorkflowId,
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// Where it stands.
    status: RunStatus,
    #[serde(flatten)]
    ending: Ending,
}

/// The run that a start led to.
#[derive(Serialize, ToSchema)]
pub(crate) struct StartAnswer {
    /// The caller's name for it.
    #[schema(value_type = String, example = "order-17")]
    workflow_id: WorkflowId,
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// False if it was there already.
    started: bool,
    /// Where it stood when the wait was over; absent without a wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<RunStatus>,
    /// What came of the update that went with the start, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<UpdateAnswer>,
    #[serde(flatten)]
    ending: Ending,
}

impl StartAnswer {
    /// Of a start with an update.
    pub(crate) fn with_update(
        started: operations::Started,
        update: operations::UpdateResult,
    ) -> Self {
        Self { update: Some(update.into()), ..Self::new(started, None) }
    }

    /// Of a start, and what waiting for the run led to, if someone waited.
    pub(crate) fn new(started: operations::Started, waited: Option<operations::RunResult>) -> Self {
        let status = waited.as_ref().map(|result| result.status.into());
        let closing = waited.and_then(|result| result.closing);
        Self {
            workflow_id: started.workflow_id,
            run_id: started.run_id,
            started: started.started,
            status,
            update: None,
            ending: closing.map(Ending::from).unwrap_or_default(),
        }
    }
}

impl From<operations::RunResult> for RunResult {
    fn from(result: operations::RunResult) -> Self {
        Self {
            workflow_id: result.workflow_id,
            run_id: result.run_id,
            status: result.status.into(),
            ending: result.closing.map(Ending::from).unwrap_or_default(),
        }
    }
}

impl From<Closing> for Ending {
    fn from(closing: Closing) -> Self {
        let mut ending = Self { closed_at: Some(closing.closed_at), ..Self::default() };
        match closing.attributes {
            EventAttributes::WorkflowExecutionCompleted { result } => {
                (ending.result, ending.result_base64) = payload::embed(&result);
            }
            EventAttributes::WorkflowExecutionFailed { failure, new_run_id, .. } => {
                ending.failure = Some(failure.into());
                ending.new_run_id = new_run_id;
            }
            EventAttributes::WorkflowExecutionTimedOut(timed_out) => {
                ending.failure = Some(timed_out.failure().into());
                ending.new_run_id = timed_out.new_run_id;
            }
            EventAttributes::WorkflowExecutionCanceled { details } => {
                ending.reason = Some(details);
            }
            EventAttributes::WorkflowExecutionTerminated { reason, new_run_id } => {
                ending.reason = Some(reason);
                ending.new_run_id = new_run_id;
            }
            EventAttributes::WorkflowExecutionContinuedAsNew { new_run_id, .. } => {
                ending.new_run_id = Some(new_run_id);
            }
            // The service closes a run with no other event.
            _ => {}
        }
        ending
    }
}
