//! Tells parents how their children closed.

use std::collections::HashMap;
use std::sync::Arc;

use dacapo_engine::decide::{ChildOutcome, Input};
use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::event::{
    EventAttributes, HistoryEvent, ParentExecution, WorkflowExecutionTimedOut,
};
use dacapo_model::ids::{EventId, RunId, RunKey, WorkflowHash};
use dacapo_store::error::StoreError;
use futures::StreamExt as _;

use super::{AT_ONCE, Recorded, backoff, followed, post, spawn};
use crate::delivery::is_here;
use crate::run::OpenRun;
use crate::runtime::Shared;
use crate::salvage::{is_unreadable, or_nothing};

/// A child by its parent's run and its `StartChildWorkflowExecutionInitiated`.
pub(super) type ChildOf = (RunKey, EventId);

/// Children read by one set of statements.
const PAGE: usize = 200;

/// A run that was a child has closed: tells its parent, unless the run goes on as
/// another, which is that child from then on.
pub(crate) fn report(
    shared: &Arc<Shared>,
    run: &OpenRun,
    parent: &ParentExecution,
    last: &EventAttributes,
) {
    let (initiated_event_id, key) = (parent.initiated_event_id, run.key);
    let of_schedule = BuiltinWorkflow::Schedule.name_in(&parent.workflow_id).is_some();
    let follower = of_schedule.then(|| (run.namespace.clone(), parent.workflow_id.clone()));
    let parent = parent_key(run, parent);
    let shared_by_task = shared.clone();
    match end_of(last) {
        End::Of(outcome) => spawn(shared, async move {
            let input = Input::ChildClosed { initiated_event_id, outcome: outcome.clone() };
            let told = post(shared_by_task.clone(), parent, input).await;
            // Another parent that has closed has no use for it.
            if let (Recorded::Closed, Some((namespace, workflow_id))) = (told, follower) {
                let child = (parent, initiated_event_id);
                followed::tell(shared_by_task, namespace, workflow_id, child, outcome).await;
            }
        }),
        // It closed before, and was started again by a parent that had not heard.
        End::As(run_id) if !is_here(shared, run_id) => {
            let next = ((parent, initiated_event_id), RunKey { run_id, ..key });
            spawn(shared, async move { find_end(&shared_by_task, vec![next]).await });
        }
        End::As(_) | End::NotYet => {}
    }
}

/// The run that started `child`.
pub(super) fn parent_key(child: &OpenRun, parent: &ParentExecution) -> RunKey {
    let hash = WorkflowHash::of(&child.namespace, &parent.workflow_id);
    RunKey { hash, run_id: parent.run_id }
}

/// What a closing event means to the parent of its run.
enum End {
    /// The child has ended.
    Of(ChildOutcome),
    /// The child goes on as this run.
    As(RunId),
    /// It is no closing event.
    NotYet,
}

fn end_of(last: &EventAttributes) -> End {
    match last {
        EventAttributes::WorkflowExecutionCompleted { result } => {
            End::Of(ChildOutcome::Completed(result.clone()))
        }
        EventAttributes::WorkflowExecutionFailed { failure, new_run_id: None, .. } => {
            End::Of(ChildOutcome::Failed(failure.clone()))
        }
        EventAttributes::WorkflowExecutionCanceled { details } => {
            End::Of(ChildOutcome::Canceled(details.clone()))
        }
        EventAttributes::WorkflowExecutionTerminated { reason, new_run_id: None } => {
            End::Of(ChildOutcome::Terminated(reason.clone()))
        }
        EventAttributes::WorkflowExecutionTimedOut(WorkflowExecutionTimedOut {
            new_run_id: None,
            ..
        }) => End::Of(ChildOutcome::TimedOut),
        // Also of one that is tried again, or was reset.
        EventAttributes::WorkflowExecutionContinuedAsNew { new_run_id, .. }
        | EventAttributes::WorkflowExecutionTerminated { new_run_id: Some(new_run_id), .. }
        | EventAttributes::WorkflowExecutionFailed { new_run_id: Some(new_run_id), .. }
        | EventAttributes::WorkflowExecutionTimedOut(WorkflowExecutionTimedOut {
            new_run_id: Some(new_run_id),
            ..
        }) => End::As(*new_run_id),
        _ => End::NotYet,
    }
}

/// Finds children in the store, from their first runs on, and tells the parents
/// of those that have ended. The others tell themselves when they do.
pub(super) async fn find_end(shared: &Arc<Shared>, mut children: Vec<(ChildOf, RunKey)>) {
    while !children.is_empty() {
        let mut go_on = Vec::new();
        for page in children.chunks(PAGE) {
            let mut ended = Vec::new();
            for (child, key, last) in last_events(shared, page).await {
                match end_of(&last.attributes) {
                    End::Of(outcome) => ended.push((child, outcome)),
                    End::As(run_id) => go_on.push((child, RunKey { run_id, ..key })),
                    End::NotYet => {}
                }
            }
            let tell = |((parent, initiated_event_id), outcome): (ChildOf, ChildOutcome)| {
                tell_parent(shared.clone(), (parent, initiated_event_id), outcome)
            };
            futures::stream::iter(ended).for_each_concurrent(AT_ONCE, tell).await;
        }
        children = go_on;
    }
}

/// Tells a parent of which nothing is known, or the run that has followed it.
async fn tell_parent(shared: Arc<Shared>, child: ChildOf, outcome: ChildOutcome) {
    let (parent, initiated_event_id) = child;
    let input = Input::ChildClosed { initiated_event_id, outcome: outcome.clone() };
    if post(shared.clone(), parent, input).await == Recorded::Closed
        && let Some((namespace, workflow_id)) = followed::schedule_of(&shared, parent).await
    {
        followed::tell(shared, namespace, workflow_id, child, outcome).await;
    }
}

/// The last events of those that are closed. Waits while the store does not
/// answer.
async fn last_events(
    shared: &Arc<Shared>,
    page: &[(ChildOf, RunKey)],
) -> Vec<(ChildOf, RunKey, HistoryEvent)> {
    let mut backoff = backoff();
    loop {
        match try_last_events(shared, page).await {
            Ok(found) => return found,
            Err(error @ StoreError::Unavailable { .. }) => {
                tracing::warn!(error = ?error, "children can't be read; trying again");
                backoff.wait().await;
            }
            Err(error) => {
                tracing::error!(error = ?error, "children can't be read");
                return Vec::new();
            }
        }
    }
}

async fn try_last_events(
    shared: &Arc<Shared>,
    page: &[(ChildOf, RunKey)],
) -> Result<Vec<(ChildOf, RunKey, HistoryEvent)>, StoreError> {
    let children: HashMap<RunId, ChildOf> =
        page.iter().map(|(child, key)| (key.run_id, *child)).collect();
    let keys: Vec<RunKey> = page.iter().map(|(_, key)| *key).collect();
    let found = match shared.store.find_runs(&keys).await {
        Err(error) if is_unreadable(&error) => {
            let mut found = Vec::new();
            for key in &keys {
                found.extend(or_nothing(shared.store.find_runs(&[*key]).await)?);
            }
            found
        }
        read => read?,
    };
    let closed: Vec<RunKey> =
        found.iter().filter(|run| !run.status.is_open()).map(|run| run.key).collect();
    let last = match shared.store.last_events(&closed).await {
        // One of them can't be; the others must not suffer for it.
        Err(error) if is_unreadable(&error) => {
            let mut last = Vec::new();
            for key in &closed {
                last.push(or_nothing(shared.store.last_event(*key).await)?);
            }
            last
        }
        read => read?,
    };
    let with_child = |(key, last): (RunKey, Option<HistoryEvent>)| {
        Some((*children.get(&key.run_id)?, key, last?))
    };
    Ok(closed.into_iter().zip(last).filter_map(with_child).collect())
}
