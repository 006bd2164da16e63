//! A run's first transition.

use std::collections::BTreeMap;

use std::time::Duration;

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
use tracing::Span;

use super::actor::{Actor, Stop};
use crate::committer::CommitFailure;
use crate::error::ServiceError;
use crate::log;

/// A run that is to start.
#[derive(Debug)]
pub(crate) struct NewRun {
    pub(crate) key: RunKey,
    pub(crate) namespace: NamespaceName,
    pub(crate) workflow_id: WorkflowId,
    pub(crate) started: WorkflowExecutionStarted,
    /// How long its guest waits before it runs.
    pub(crate) start_delay: Option<Duration>,
    /// What it begins with.
    pub(crate) signals: Vec<Signal>,
    /// What its callers ask of it from the beginning.
    pub(crate) updates: Vec<AdmittedUpdate>,
}

/// A run's first transition, and what it leads to.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) execution: Execution,
    pub(crate) state: RunState,
    pub(crate) transition: Transition,
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
    /// What the run begins with.
    pub(crate) fn begin(self, now: Timestamp) -> Begun {
        let mut started = self.started;
        if let Some(delay) = self.start_delay {
            started.options.delayed_until = Some(now.after(delay));
        }
        let execution = Execution {
            key: self.key,
            namespace: self.namespace,
            workflow_id: self.workflow_id,
            workflow_type: started.workflow_type.clone(),
            module_digest: started.module_digest,
            request_id: started.request_id.clone(),
            status: ExecutionStatus::Running,
            blocked: None,
            attributes: started.options.attributes.clone(),
            started_at: now,
            closed_at: None,
        };
        let (state, transition) = decide::start(started, self.signals, self.updates, now);
        Begun { execution, state, transition }
    }
}

impl Actor {
    /// Runs the guest for the first time and commits what came of it together
    /// with the start itself: a start costs one commit.
    pub(super) async fn begin(
        &mut self,
        mut transition: Transition,
        waiter: BeginWaiter,
        cause: Span,
    ) -> Result<(), Stop> {
        let execution = self.execution.clone();
        self.published = Some(BTreeMap::new());
        let activated = match self.state.guest_may_run() {
            true => {
                let fresh = transition.events.clone();
                self.activate(fresh, &mut transition).await
            }
            false => Ok(()),
        };
        let committed = match activated {
            Ok(()) => self.commit(transition, Some(execution)).await,
            Err(failure) => Err(failure),
        };
        let (stop, answer) = match committed {
            Ok(()) => {
                // Those of the copied part of its history.
                self.resume_activities();
                (Ok(()), Ok(BeginAnswer::Started))
            }
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
        if matches!(answer, Ok(BeginAnswer::Started)) {
            log::run_started(&self.execution, &cause);
        }
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
