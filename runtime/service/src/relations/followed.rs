//! Runs that a schedule follows: children that a run of it has started which has closed since.
//! Their end is a signal to the run of the schedule that is open.

use std::sync::Arc;

use dacapo_engine::decide::{ChildOutcome, Input, Refusal};
use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::ids::{NamespaceName, RequestId, RunId, WorkflowId};
use dacapo_model::signal::Signal;

use super::ends::{Sought, find_ends};
use super::{backoff, spawn};
use crate::builtin::schedule::closed_signal;
use crate::delivery::{self, Address, Reached};
use crate::runtime::Shared;
use crate::types::RunRef;

/// What a schedule is told of a run that nobody can ask any more.
const DELETED: &str = "it was deleted before its schedule heard how it ended";

/// A run that a schedule follows.
#[derive(Debug, Clone)]
pub(super) struct Followed {
    pub(super) namespace: NamespaceName,
    /// The workflow id that all runs of the schedule have.
    pub(super) schedule: WorkflowId,
    /// That of the run.
    pub(super) workflow_id: WorkflowId,
    /// The first run of its chain, as the schedule knows it.
    pub(super) first: RunId,
}

impl Followed {
    /// A child of a run, if that is one of a schedule.
    pub(super) fn child_of(
        parent: &WorkflowId,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
        first: RunId,
    ) -> Option<Self> {
        BuiltinWorkflow::Schedule.name_in(parent)?;
        let (namespace, schedule) = (namespace.clone(), parent.clone());
        Some(Self { namespace, schedule, workflow_id: workflow_id.clone(), first })
    }
}

/// Tells the open run of a schedule how a run that it follows has ended, and again until
/// that is recorded.
pub(super) async fn tell(shared: Arc<Shared>, followed: Followed, outcome: ChildOutcome) {
    let Followed { namespace, schedule, first, .. } = followed;
    let Ok(request_id) = RequestId::new(format!("closed/{first}")) else { return };
    let (name, input) = closed_signal(first, outcome);
    let input = Input::Signal(Signal { name, input, request_id: Some(request_id) });
    let run = RunRef { workflow_id: schedule, run_id: None };
    let mut backoff = backoff();
    loop {
        match delivery::tell(&shared, Address::Named(&namespace, &run), &input).await {
            Ok(Reached::Here((_, Err(Refusal::TooManySignals { .. })))) => backoff.wait().await,
            // The schedule may be gone.
            Ok(Reached::Here(_) | Reached::Closed(_)) => return,
            Ok(Reached::Unknown | Reached::Unreadable(_)) => return,
            Ok(Reached::Elsewhere) | Err(_) => backoff.wait().await,
        }
    }
}

/// After a crash: tells schedules of those that have ended unheard.
pub(super) fn tell_of_ended(shared: &Arc<Shared>, followed: Vec<Followed>) {
    if followed.is_empty() {
        return;
    }
    let shared_by_task = shared.clone();
    spawn(shared, async move {
        let shared = shared_by_task;
        let sought = followed.into_iter().map(|it| Sought {
            namespace: it.namespace.clone(),
            workflow_id: it.workflow_id.clone(),
            first: it.first,
            run_id: it.first,
            listener: it,
        });
        let tell = |followed, outcome| tell(shared.clone(), followed, outcome);
        find_ends(&shared, sought.collect(), DELETED, tell).await;
    });
}
