//! A start whose workflow id is taken.

use std::sync::Arc;

use dacapo_model::code::ErrorCode;
use dacapo_model::execution::IdConflictPolicy;
use dacapo_model::ids::{RunId, RunKey, WorkflowId};
use tokio::sync::oneshot;

use crate::catalog::Choice;
use crate::delivery::deliver;
use crate::error::{Result, ServiceError};
use crate::run::{self, JoinAnswer, Message, NewRun, OpenRun};
use crate::tenancy::Tenant;
use crate::types::{StartRequest, Started};

impl Tenant {
    /// Asks the run that has the workflow id what becomes of a start. None if it has closed
    /// meanwhile.
    pub(super) async fn join(
        &self,
        request: &StartRequest,
        run: &Arc<OpenRun>,
        new: NewRun,
        chosen: &Choice,
    ) -> Result<Option<Started>> {
        let shared = &self.shared;
        shared.hold.health.admit()?;
        if request.conflict_policy() == IdConflictPolicy::TerminateExisting {
            self.admit_replacement()?;
        }
        let workflow_id = new.workflow_id.clone();
        let (answer, answered) = oneshot::channel();
        let message = Message::Join {
            request_id: request.request_id.clone(),
            policy: request.conflict_policy(),
            replacement: Box::new(new),
            chosen: chosen.clone(),
            answer,
        };
        if deliver(shared, run, message).await.is_err() {
            return Ok(None);
        }
        let answer = shared.hold.health.answer(answered).await;
        if let Some(Ok(
            JoinAnswer::Existing(_) | JoinAnswer::Repeated(_) | JoinAnswer::Refused(_),
        )) = answer
        {
            // Nothing was committed, which would have shown whose the run is.
            shared.hold.confirm.held(run.key.hash).await?;
        }
        match answer {
            Some(Ok(JoinAnswer::Existing(run_id))) => {
                Ok(Some(Started { workflow_id, run_id, started: false }))
            }
            Some(Ok(JoinAnswer::Repeated(run_id))) => {
                let key = RunKey { hash: run.key.hash, run_id };
                self.check_repeated_start(request, &workflow_id, key).await?;
                Ok(Some(Started { workflow_id, run_id, started: false }))
            }
            Some(Ok(JoinAnswer::Replaced(run_id))) => {
                Ok(Some(Started { workflow_id, run_id, started: true }))
            }
            Some(Ok(JoinAnswer::Refused(run_id))) => Err(already_started(&workflow_id, run_id)),
            Some(Ok(JoinAnswer::Rejected(reason))) => Err(run::not_storable(&reason)),
            // It closed, or never started: try again.
            Some(Ok(JoinAnswer::Closed)) | None => Ok(None),
            Some(Err(error)) => Err(error),
        }
    }
}

pub(super) fn already_started(workflow_id: &WorkflowId, run_id: RunId) -> ServiceError {
    ServiceError::new(
        ErrorCode::WorkflowAlreadyStarted,
        format!("workflow id `{workflow_id}` has run {run_id}, and the policies forbid another"),
    )
    .with("workflow_id", workflow_id)
    .with("run_id", run_id)
}
