//! Waits for a run to close.

use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{RunId, WorkflowId};

use super::RunRef;
use super::locate::Located;
use crate::clock::Deadline;
use crate::error::{Result, ServiceError};
use crate::run::{OpenRun, Progress};
use crate::tenancy::Tenant;
use crate::types::Closing;

/// Runs of a chain that one request follows. Each is read from the store if it is
/// closed. Who asks for more goes on from the one that was answered.
const FOLLOWED_MAX: usize = 1_000;

/// The state of a run when the wait was over.
#[derive(Debug, Clone, PartialEq)]
pub struct RunResult {
    /// The caller's name for it.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// How it ended; none while it is open.
    pub closing: Option<Closing>,
}

impl Tenant {
    /// How a run ended, or that it is still open after `wait`. When it is blocked
    /// meanwhile, that is answered without waiting on. A node that stops answers
    /// at once. Follows the chain: the next attempt of a run that failed, and what
    /// it continues as. So the run that is answered may be a later one.
    pub async fn run_result(&self, run: &RunRef, wait: Duration) -> Result<RunResult> {
        let deadline = Deadline::after(wait);
        let result = self.one_result(run, wait).await?;
        self.follow_chain(run, result, deadline).await
    }

    /// The result of the last run of the chain that this one belongs to, or of one
    /// that [`FOLLOWED_MAX`] others lie before.
    pub(super) async fn follow_chain(
        &self,
        run: &RunRef,
        mut result: RunResult,
        deadline: Deadline,
    ) -> Result<RunResult> {
        for _ in 0..FOLLOWED_MAX {
            let Some(next) = result.closing.as_ref().and_then(Closing::next_run) else {
                break;
            };
            let run = RunRef { run_id: Some(next), ..run.clone() };
            result = self.one_result(&run, deadline.left()).await?;
        }
        Ok(result)
    }

    /// Like [`Self::run_result`], of exactly that run.
    pub async fn one_result(&self, run: &RunRef, wait: Duration) -> Result<RunResult> {
        let execution = match self.locate(run).await? {
            Located::Closed(execution) => *execution,
            Located::Open(open) => return self.open_result(&open, wait).await,
        };
        let last = self.shared.store.last_event(execution.key).await?.ok_or_else(|| {
            ServiceError::new(ErrorCode::Internal, "the run is closed, but its history is empty")
        })?;
        Ok(RunResult {
            workflow_id: execution.workflow_id,
            run_id: execution.key.run_id,
            status: execution.status,
            closing: Some(Closing {
                status: execution.status,
                attributes: last.attributes,
                closed_at: last.time,
            }),
        })
    }

    /// Waits for a run that was open a moment ago.
    pub(super) async fn open_result(&self, open: &OpenRun, wait: Duration) -> Result<RunResult> {
        let mut progress = open.watch();
        let changed = progress.wait_for(|progress| progress.closing.is_some() || progress.blocked);
        tokio::select! {
            _changed_or_over = tokio::time::timeout(wait, changed) => {}
            () = self.shared.life.stopping.cancelled() => {}
            () = self.shared.hold.loss.of_any_kind() => {}
        }
        // One value, read once: a run that is closed in it has its outcome there, too.
        let Progress { closing, blocked, .. } = open.progress();
        if closing.is_none() {
            // That it has closed was committed here. That it has not is true only here.
            self.shared.hold.confirm.held(open.key.hash).await?;
        }
        let open_status = if blocked { ExecutionStatus::Blocked } else { ExecutionStatus::Running };
        Ok(RunResult {
            workflow_id: open.workflow_id.clone(),
            run_id: open.key.run_id,
            status: closing.as_ref().map_or(open_status, |closing| closing.status),
            closing: closing.map(|closing| Closing::clone(&closing)),
        })
    }
}
