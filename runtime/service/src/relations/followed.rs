//! Children that outlive the run that started them, where the run that follows it wants to
//! know how they end: those of a schedule. Their end is a signal to it.

use std::sync::Arc;

use dacapo_engine::decide::{ChildOutcome, Input, Refusal, child_run_id};
use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::event::ParentExecution;
use dacapo_model::ids::{NamespaceName, RequestId, RunId, RunKey, WorkflowHash, WorkflowId};
use dacapo_model::signal::Signal;
use dacapo_store::error::StoreError;

use super::report::{ChildOf, find_end};
use super::{backoff, spawn};
use crate::builtin::schedule::closed_signal;
use crate::delivery::{self, Address, Reached};
use crate::runtime::Shared;
use crate::types::RunRef;

/// Children whose parents are looked up by one statement.
const PAGE: usize = 200;

/// Tells the open run of a schedule how a child of one before it has ended, and again until
/// that is recorded.
pub(super) async fn tell(
    shared: Arc<Shared>,
    namespace: NamespaceName,
    workflow_id: WorkflowId,
    (parent, initiated_event_id): ChildOf,
    outcome: ChildOutcome,
) {
    let first_run = child_run_id(parent.run_id, initiated_event_id);
    let Ok(request_id) = RequestId::new(format!("closed/{first_run}")) else { return };
    let (name, input) = closed_signal(first_run, outcome);
    let input = Input::Signal(Signal { name, input, request_id: Some(request_id) });
    let run = RunRef { workflow_id, run_id: None };
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

/// The schedule that a closed run is one of.
pub(super) async fn schedule_of(
    shared: &Arc<Shared>,
    run: RunKey,
) -> Option<(NamespaceName, WorkflowId)> {
    let mut backoff = backoff();
    let found = loop {
        match shared.store.find_runs(&[run]).await {
            Ok(found) => break found,
            Err(StoreError::Unavailable { .. }) => backoff.wait().await,
            Err(_) => return None,
        }
    };
    let execution = found.into_iter().next()?;
    BuiltinWorkflow::Schedule.name_in(&execution.workflow_id)?;
    Some((execution.namespace, execution.workflow_id))
}

/// After a crash: looks whether those have ended unheard that open schedules have taken over
/// from the runs before them. A run before a schedule's has the hash of the schedule's.
pub(super) fn find_ends(shared: &Arc<Shared>, children: Vec<(WorkflowHash, RunKey)>) {
    if children.is_empty() {
        return;
    }
    let shared_by_task = shared.clone();
    spawn(shared, async move {
        let shared = shared_by_task;
        for page in children.chunks(PAGE) {
            find_page(&shared, page).await;
        }
    });
}

async fn find_page(shared: &Arc<Shared>, page: &[(WorkflowHash, RunKey)]) {
    let keys: Vec<_> = page.iter().map(|(_, key)| *key).collect();
    let parents = match find_parents(shared, &keys).await {
        Ok(parents) => parents,
        // One that can't be read must not hide the others.
        Err(_) => {
            let mut readable = Vec::new();
            for key in keys {
                match find_parents(shared, &[key]).await {
                    Ok(parents) => readable.extend(parents),
                    Err(error) => tracing::error!(
                        run_id = %key.run_id,
                        error = ?error,
                        "a run that a schedule has started can't be read"
                    ),
                }
            }
            readable
        }
    };
    let child_of = |(run_id, parent): (RunId, ParentExecution)| {
        let (hash, key) = *page.iter().find(|(_, key)| key.run_id == run_id)?;
        let parent_key = RunKey { hash, run_id: parent.run_id };
        Some(((parent_key, parent.initiated_event_id), key))
    };
    find_end(shared, parents.into_iter().filter_map(child_of).collect()).await;
}

async fn find_parents(
    shared: &Arc<Shared>,
    keys: &[RunKey],
) -> Result<Vec<(RunId, ParentExecution)>, StoreError> {
    let mut backoff = backoff();
    loop {
        match shared.store.find_parents(keys).await {
            Err(StoreError::Unavailable { .. }) => backoff.wait().await,
            found => return found,
        }
    }
}
