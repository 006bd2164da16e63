//! Starts a run whose workflow id is claimed.

use dacapo_model::execution::{ExecutionStatus, IdReusePolicy};
use dacapo_model::ids::WorkflowId;
use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use super::StartedRun;
use super::join::already_started;
use crate::catalog::Choice;
use crate::delivery::{Claimed, no_answer};
use crate::error::Result;
use crate::run::{self, ActorSource, BeginAnswer, Envelope, NewRun};
use crate::tenancy::Tenant;
use crate::types::{StartRequest, Started};

impl Tenant {
    /// Starts a run. When this returns, the start is committed.
    pub(super) async fn begin(
        &self,
        request: &StartRequest,
        claimed: Claimed<'_>,
        mailbox: mpsc::Receiver<Envelope>,
        new: NewRun,
        chosen: &Choice,
    ) -> Result<StartedRun> {
        let shared = &self.shared;
        let (workflow_id, run_id) = (new.workflow_id.clone(), new.key.run_id);
        self.check_reuse(request, &workflow_id).await?;
        self.admit_start(&claimed, new.started.parent.is_some()).await?;
        let run = claimed.keep();
        // Before anything can happen to it.
        let update = request.update.as_ref().map(|update| run.updates.watch(run_id, &update.id));
        let (waiter, begun) = oneshot::channel();
        let origin = ActorSource::New {
            begun: Box::new(new.begin(shared.clock.now())),
            waiter,
            cause: Span::current(),
            chosen: chosen.clone(),
        };
        run::spawn(shared, run.clone(), mailbox, origin);
        match shared.hold.health.answer(begun).await.ok_or_else(no_answer)?? {
            BeginAnswer::Started => {
                let started = Started { workflow_id, run_id, started: true };
                Ok(StartedRun { started, run: Some(run), update })
            }
            BeginAnswer::Conflict(other) => Err(already_started(&workflow_id, other)),
        }
    }

    /// Whether the latest closed run allows another one. The default does not
    /// need to know.
    async fn check_reuse(&self, request: &StartRequest, workflow_id: &WorkflowId) -> Result<()> {
        if request.reuse_policy == IdReusePolicy::AllowDuplicate {
            return Ok(());
        }
        let store = &self.shared.store;
        let latest = store.find_execution(&self.namespace, workflow_id, None).await?;
        let Some(latest) = latest else {
            return Ok(());
        };
        let allowed = request.reuse_policy == IdReusePolicy::AllowDuplicateFailedOnly
            && latest.status != ExecutionStatus::Completed;
        if allowed { Ok(()) } else { Err(already_started(workflow_id, latest.key.run_id)) }
    }
}
