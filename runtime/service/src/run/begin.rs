//! A run's first transition.

use std::collections::BTreeMap;

use std::time::Duration;

use dacapo_engine::decide;
use dacapo_engine::state::RunState;
use dacapo_engine::transition::Transition;
use dacapo_model::event::WorkflowExecutionStarted;
use dacapo_model::execution::{Execution, ExecutionStatus, ParentRun};
use dacapo_model::ids::{NamespaceName, RunId, RunKey, WorkflowId};
use dacapo_model::signal::Signal;
use dacapo_model::time::Timestamp;
use dacapo_model::update::AdmittedUpdate;
use tokio::sync::oneshot;
use tracing::Span;

use super::actor::{Actor, Stop};
use super::starting::{Waiter, not_started};
use crate::builtin;
use crate::error::ServiceError;

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
            delayed_until: started.options.delayed_until.filter(|until| *until > now),
            parent: started.parent.as_deref().map(ParentRun::from),
            history_size: None,
            task_queue: builtin::task_queue(started.module_digest, &started.arguments),
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
        let mut waiter = Waiter(Some(waiter));
        let answer = match activated {
            Ok(()) => self.store_start(transition, begun, &mut waiter, &cause).await,
            // It is known to nobody yet.
            Err(_) => Err(not_started()),
        };
        let stop = match &answer {
            Ok(BeginAnswer::Started) => Ok(()),
            Ok(BeginAnswer::Conflict(_)) | Err(_) => Err(Stop::Gone),
        };
        waiter.tell(answer);
        stop
    }
}
