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
use super::load;
use super::rejected::{blocked, not_storable};
use crate::committer::CommitFailure;
use crate::error::ServiceError;
use crate::health::PATIENCE;
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
    /// with the start itself: a start costs one commit. If its code is not at hand,
    /// the start is committed first, so that it is answered while that is compiled.
    pub(super) async fn begin(
        &mut self,
        mut transition: Transition,
        waiter: BeginWaiter,
        cause: Span,
    ) -> Result<(), Stop> {
        self.published = Some(BTreeMap::new());
        let begun = (self.state.clone(), transition.clone());
        let activated = match self.state.guest_may_run() {
            true if self.shared.host.is_at_hand(self.state.module_digest) => {
                let fresh = transition.events.clone();
                self.activate(fresh, &mut transition).await
            }
            may_run => {
                self.needs_activation = may_run;
                Ok(())
            }
        };
        let mut waiter = Some(waiter);
        let answer = match activated {
            Ok(()) => self.store_start(transition, begun, &mut waiter).await,
            // It is known to nobody yet.
            Err(_) => Err(not_started()),
        };
        let stop = match &answer {
            Ok(BeginAnswer::Started) => Ok(()),
            Ok(BeginAnswer::Conflict(_)) | Err(_) => Err(Stop::Gone),
        };
        if stop.is_ok() {
            log::run_started(&self.execution, &cause);
        }
        tell(&mut waiter, answer);
        stop
    }

    /// Commits a start, until it is known what has become of it: one that was
    /// reported as not done, and is done later, would have nobody who runs it.
    async fn store_start(
        &mut self,
        mut transition: Transition,
        begun: (RunState, Transition),
        waiter: &mut Option<BeginWaiter>,
    ) -> Result<BeginAnswer, ServiceError> {
        let asked_at = self.shared.clock.instant();
        let mut begun = Some(begun);
        let mut backoff = load::BACKOFF;
        let shared = self.shared.clone();
        let execution = self.execution.clone();
        loop {
            let insert = Some(execution.clone());
            let failure = match self.commit(transition.clone(), insert).await {
                Ok(()) => {
                    // Those of the copied part of its history.
                    self.resume_activities();
                    return Ok(BeginAnswer::Started);
                }
                Err(CommitFailure::Fenced) => return Err(not_started()),
                Err(failure) => failure,
            };
            self.drop_guest();
            self.execution.clone_from(&execution);
            // The store says whether it was committed after all.
            match load::look_after_failure(&shared, &self.run, &mut || {
                tell(waiter, Err(not_known()))
            })
            .await
            {
                Ok(Some(loaded)) => {
                    self.adopt(loaded);
                    self.show_fault().await.map_err(|_| not_known())?;
                    return Ok(BeginAnswer::Started);
                }
                Ok(None) => {}
                Err(_) => return Err(not_known()),
            }
            match (failure, begun.take()) {
                (CommitFailure::Rejected(reason), Some((state, first))) => {
                    // What the guest did is left out.
                    if !state.guest_may_run() {
                        return Err(not_storable(&reason));
                    }
                    (self.state, transition) = (state, first);
                    self.block(blocked(&reason), &mut transition);
                    // Also of a run whose guest was to wait for its code.
                    self.needs_activation = false;
                }
                (CommitFailure::Rejected(reason), None) => return Err(not_storable(&reason)),
                (CommitFailure::Conflict, _) => {
                    let other = self.other_run().await;
                    return other.map(BeginAnswer::Conflict).ok_or_else(not_started);
                }
                (_, first) => {
                    begun = first;
                    if self.shared.clock.instant() >= asked_at + PATIENCE {
                        tell(waiter, Err(not_known()));
                    }
                    load::pause(&self.shared, &mut backoff).await.map_err(|_| not_known())?;
                }
            }
        }
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

/// It is tried on, or the node stops. The same request id makes a repeat safe.
fn not_known() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "the database does not take the start of the run now, but may yet; send the request again, \
         with the same request id",
    )
}

fn tell(waiter: &mut Option<BeginWaiter>, answer: Result<BeginAnswer, ServiceError>) {
    if let Some(waiter) = waiter.take() {
        // A client that went away can ask again.
        let _ = waiter.send(answer);
    }
}
