//! A run's first transition.

use std::collections::BTreeMap;

use dacapo_engine::decide;
use dacapo_engine::state::RunState;
use dacapo_engine::transition::Transition;
use dacapo_model::code::ErrorCode;
use dacapo_model::event::WorkflowExecutionStarted;
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::{NamespaceName, RunId, RunKey, WorkflowId};
use dacapo_model::signal::Signal;
use dacapo_model::time::Timestamp;
use dacapo_model::update::AdmittedUpdate;
use tokio::sync::oneshot;

use super::actor::{Actor, Stop};
use crate::committer::CommitFailure;
use crate::error::ServiceError;

/// A run that is to start.
#[derive(Debug)]
pub(crate) struct NewRun {
    pub(crate) key: RunKey,
    pub(crate) namespace: NamespaceName,
    pub(crate) workflow_id: WorkflowId,
    pub(crate) started: WorkflowExecutionStarted,
    /// What it begins with.
    pub(crate) signals: Vec<Signal>,
    /// What its callers ask of it from the beginning.
    pub(crate) updates: Vec<AdmittedUpdate>,
}

/// Who waits for a start to be committed.
pub(crate) type BeginWaiter = oneshot::Sender<Result<BeginAnswer, ServiceError>>;

/// What became of a start whose workflow id was free.
#[derive(Debug)]
pub(crate) enum BeginAnswer {
    /// It is committed.
    Started,
    /// The store knows another run that has the workflow id or the request id.
    Conflict(RunId),
}

impl NewRun {
    /// The state and the transition that the run begins with.
    pub(crate) fn begin(&self, now: Timestamp) -> (RunState, Transition) {
        decide::start(
            self.started.clone(),
            self.signals.iter().cloned(),
            self.updates.iter().cloned(),
            now,
        )
    }

    /// The summary that the run begins with.
    pub(crate) fn execution(&self, now: Timestamp) -> Execution {
        Execution {
            key: self.key,
            namespace: self.namespace.clone(),
            workflow_id: self.workflow_id.clone(),
            workflow_type: self.started.workflow_type.clone(),
            module_digest: self.started.module_digest,
            request_id: self.started.request_id.clone(),
            status: ExecutionStatus::Running,
            blocked: None,
            started_at: now,
            closed_at: None,
        }
    }
}

impl Actor {
    /// Runs the guest for the first time and commits what came of it together
    /// with the start itself: a start costs one commit.
    pub(super) async fn begin(
        &mut self,
        mut transition: Transition,
        waiter: BeginWaiter,
    ) -> Result<(), Stop> {
        let fresh = transition.events.clone();
        let execution = self.execution.clone();
        self.published = Some(BTreeMap::new());
        let committed = match self.activate(fresh, &mut transition).await {
            Ok(()) => self.commit(transition, Some(execution)).await,
            Err(failure) => Err(failure),
        };
        let (stop, answer) = match committed {
            Ok(()) => (Ok(()), Ok(BeginAnswer::Started)),
            Err(CommitFailure::Fenced) => (Err(Stop::Gone), Err(not_started())),
            // The store says whether it was committed after all.
            Err(CommitFailure::Conflict | CommitFailure::Unavailable) => {
                match self.reload().await {
                    Ok(()) => (Ok(()), Ok(BeginAnswer::Started)),
                    Err(stop) => (
                        Err(stop),
                        self.other_run().await.map(BeginAnswer::Conflict).ok_or_else(not_started),
                    ),
                }
            }
        };
        // A client that went away can ask again.
        let _ = waiter.send(answer);
        stop
    }

    /// The run that has the workflow id in the store, if one has.
    async fn other_run(&mut self) -> Option<RunId> {
        let (namespace, workflow_id) = (&self.run.namespace, &self.run.workflow_id);
        let found = self.shared.store.find_execution(namespace, workflow_id, None).await;
        found.ok().flatten().map(|execution| execution.key.run_id)
    }
}

fn not_started() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "the run could not be stored, and was not started; send the request again",
    )
}
