//! A run that begins with a part of another's history.

use std::sync::Arc;

use dacapo_engine::decide::{self, Input, Reset, ResetRefused};
use dacapo_engine::transition::Transition;
use dacapo_model::code::ErrorCode;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::{Execution, ExecutionStatus, ParentRun};
use dacapo_model::ids::{NamespaceName, RunKey, WorkflowHash, WorkflowId};
use dacapo_model::time::Timestamp;

use super::actor::{Actor, Stop};
use super::begin::Begun;
use super::rejected::not_storable;
use super::replace::Successor;
use crate::builtin;
use crate::committer::CommitFailure;
use crate::error::ServiceError;

/// What becomes of a reset whose workflow id is taken.
#[derive(Debug)]
pub(crate) enum ResetAnswer {
    /// This run was terminated, and the new one started.
    Done,
    /// This run has closed meanwhile, or nobody knows: look again.
    Closed,
}

/// Cuts a history, and makes of it what the new run begins with.
pub(crate) fn copy(
    namespace: &NamespaceName,
    workflow_id: &WorkflowId,
    history: &[HistoryEvent],
    reset: Reset,
    now: Timestamp,
) -> Result<Begun, ServiceError> {
    let run_id = reset.run_id;
    let (state, transition) = decide::reset(history, reset, now).map_err(refused)?;
    let execution = Execution {
        key: RunKey { hash: WorkflowHash::of(namespace, workflow_id), run_id },
        namespace: namespace.clone(),
        workflow_id: workflow_id.clone(),
        workflow_type: state.workflow_type.clone(),
        module_digest: state.module_digest,
        request_id: None,
        status: ExecutionStatus::Running,
        blocked: None,
        attributes: state.options.attributes.clone(),
        started_at: now,
        closed_at: None,
        // What is copied goes beyond the end of the delay.
        delayed_until: None,
        parent: state.parent.as_deref().map(ParentRun::from),
        history_size: None,
        task_queue: builtin::task_queue(state.module_digest, &state.arguments),
    };
    Ok(Begun { execution, state, transition })
}

fn refused(refused: ResetRefused) -> ServiceError {
    let error = ServiceError::new(ErrorCode::ResetPointInvalid, refused.to_string());
    match refused {
        ResetRefused::NoBoundary { before, after, .. }
        | ResetRefused::WaitsForOthers { before, after, .. } => {
            let nearest = [("before", before), ("after", after)];
            nearest.into_iter().fold(error, |error, (key, event_id)| match event_id {
                Some(event_id) => error.with(key, event_id),
                None => error,
            })
        }
        ResetRefused::NotBegun => error,
        ResetRefused::Corrupt(_) => ServiceError { code: ErrorCode::Internal, ..error },
    }
}

impl Actor {
    /// Ends this run, and starts another in the same commit that begins with a
    /// part of `base`, or of this run itself. Nothing can happen to this run
    /// between the look at its history and its end.
    pub(super) async fn reset(
        &mut self,
        mut reset: Reset,
        base: Option<Arc<Vec<HistoryEvent>>>,
    ) -> Result<Result<ResetAnswer, ServiceError>, Stop> {
        if self.closing.is_some() {
            return Ok(Ok(ResetAnswer::Closed));
        }
        let history = match base {
            Some(history) => history,
            None => match self.shared.loader.load(self.run.key).await {
                Ok(Some(stored)) => {
                    reset.admitted = self.state.updates.admitted().collect();
                    match stored.until_damaged() {
                        Ok(history) => Arc::new(history),
                        Err(refused) => return Ok(Err(refused)),
                    }
                }
                Ok(None) | Err(_) => return Ok(Err(not_read())),
            },
        };
        let now = self.shared.clock.now();
        let new_run_id = reset.run_id;
        let begun = match copy(&self.run.namespace, &self.run.workflow_id, &history, reset, now) {
            Ok(begun) => begun,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut transition = Transition::default();
        let goes_on = Input::Reset { new_run_id };
        match self.decide(goes_on, now) {
            Ok(step) => transition.extend(step),
            Err(_closed) => return Ok(Ok(ResetAnswer::Closed)),
        }
        match self.commit_with(transition, None, Some(Successor::of(begun))).await {
            Ok(()) => Ok(Ok(ResetAnswer::Done)),
            Err(CommitFailure::Fenced) => Err(Stop::Gone),
            Err(CommitFailure::Rejected(reason)) => {
                self.reload().await?;
                Ok(Err(not_storable(&reason)))
            }
            Err(CommitFailure::Conflict | CommitFailure::Unavailable) => {
                self.reload().await?;
                // Whether it was committed after all is seen by who asked.
                Ok(Ok(ResetAnswer::Closed))
            }
        }
    }
}

fn not_read() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "the history of the run could not be read; nothing was changed. Send the request again",
    )
}
