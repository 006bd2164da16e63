//! Finds in the store how children have ended that closed unheard.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use dacapo_engine::decide::ChildOutcome;
use dacapo_model::event::{EventAttributes, HistoryEvent, WorkflowExecutionTimedOut};
use dacapo_model::execution::Execution;
use dacapo_model::ids::{NamespaceName, RunId, RunKey, WorkflowHash, WorkflowId};
use dacapo_store::error::StoreError;
use futures::StreamExt as _;

use super::chain::is_child;
use super::{AT_ONCE, backoff};
use crate::runtime::Shared;
use crate::salvage::{is_unreadable, or_nothing};

/// Children read by one set of statements.
const PAGE: usize = 200;

/// A child whose end somebody has not heard of.
#[derive(Debug, Clone)]
pub(super) struct Sought<T> {
    /// Who waits for it.
    pub(super) listener: T,
    pub(super) namespace: NamespaceName,
    pub(super) workflow_id: WorkflowId,
    /// The first of its runs, which its parent has asked for.
    pub(super) first: RunId,
    /// The run of it from which on it is looked for.
    pub(super) run_id: RunId,
}

impl<T> Sought<T> {
    fn key(&self) -> RunKey {
        let hash = WorkflowHash::of(&self.namespace, &self.workflow_id);
        RunKey { hash, run_id: self.run_id }
    }
}

/// What a closing event means to who waits for the end of a child.
pub(super) enum End {
    /// The child has ended.
    Of(ChildOutcome),
    /// The child goes on as this run.
    As(RunId),
    /// It is no closing event.
    NotYet,
}

pub(super) fn end_of(last: &EventAttributes) -> End {
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

/// Looks for children from run to run, and tells of those that have ended. The others tell
/// themselves when they do.
///
/// One that was deleted with its end unheard counts as terminated, with `deleted` as the
/// reason: nobody else would ever tell of it.
pub(super) async fn find_ends<T, Told>(
    shared: &Arc<Shared>,
    mut children: Vec<Sought<T>>,
    deleted: &str,
    tell: impl Fn(T, ChildOutcome) -> Told,
) where
    T: Clone,
    Told: Future<Output = ()>,
{
    while !children.is_empty() {
        let mut go_on = Vec::new();
        for page in children.chunks(PAGE) {
            let mut ended = Vec::new();
            for (child, end) in find_page(shared, page).await {
                match end {
                    Found::End(End::Of(outcome)) => ended.push((child.listener.clone(), outcome)),
                    Found::End(End::As(run_id)) => go_on.push(Sought { run_id, ..child.clone() }),
                    Found::End(End::NotYet) => {}
                    Found::Deleted => {
                        let outcome = ChildOutcome::Terminated(deleted.to_owned());
                        ended.push((child.listener.clone(), outcome));
                    }
                }
            }
            let tell = |(listener, outcome)| tell(listener, outcome);
            futures::stream::iter(ended).for_each_concurrent(AT_ONCE, tell).await;
        }
        children = go_on;
    }
}

/// What has become of a child that is not open.
enum Found {
    End(End),
    /// Nothing of it is there.
    Deleted,
}

/// What is found of those of a page that are not open. Waits while the store does not answer.
async fn find_page<'a, T>(
    shared: &Arc<Shared>,
    page: &'a [Sought<T>],
) -> Vec<(&'a Sought<T>, Found)> {
    let mut backoff = backoff();
    loop {
        match try_find_page(shared, page).await {
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

async fn try_find_page<'a, T>(
    shared: &Arc<Shared>,
    page: &'a [Sought<T>],
) -> Result<Vec<(&'a Sought<T>, Found)>, StoreError> {
    let Rows { runs, missing } = find_rows(shared, page).await?;
    let closed =
        |child: &&Sought<T>| runs.get(&child.run_id).is_some_and(|run| !run.status.is_open());
    let closed: Vec<_> = page.iter().filter(closed).collect();
    let keys: Vec<_> = closed.iter().map(|child| child.key()).collect();
    let last = last_events(shared, &keys).await?;
    let ends = closed.into_iter().zip(last);
    let mut found: Vec<_> = ends
        .filter_map(|(child, last)| Some((child, Found::End(end_of(&last?.attributes)))))
        .collect();
    for child in page.iter().filter(|child| missing.contains(&child.run_id)) {
        if let Some(what) = find_latest(shared, child).await? {
            found.push((child, what));
        }
    }
    Ok(found)
}

/// Which runs of a page there are, and which not. One whose row can't be read is neither.
struct Rows {
    runs: HashMap<RunId, Execution>,
    missing: HashSet<RunId>,
}

async fn find_rows<T>(shared: &Arc<Shared>, page: &[Sought<T>]) -> Result<Rows, StoreError> {
    let keys: Vec<_> = page.iter().map(Sought::key).collect();
    let mut missing: HashSet<_> = keys.iter().map(|key| key.run_id).collect();
    let found = match shared.store.find_runs(&keys).await {
        // One of them can't be; the others must not suffer for it.
        Err(error) if is_unreadable(&error) => {
            let mut found = Vec::new();
            for key in &keys {
                match shared.store.find_runs(&[*key]).await {
                    Err(error) if is_unreadable(&error) => {
                        tracing::warn!(run_id = %key.run_id, %error, "a child can't be read");
                        missing.remove(&key.run_id);
                    }
                    read => found.extend(read?),
                }
            }
            found
        }
        read => read?,
    };
    let runs: HashMap<_, _> = found.into_iter().map(|run| (run.key.run_id, run)).collect();
    missing.retain(|run_id| !runs.contains_key(run_id));
    Ok(Rows { runs, missing })
}

async fn last_events(
    shared: &Arc<Shared>,
    keys: &[RunKey],
) -> Result<Vec<Option<HistoryEvent>>, StoreError> {
    match shared.store.last_events(keys).await {
        Err(error) if is_unreadable(&error) => {
            let mut last = Vec::new();
            for key in keys {
                last.push(or_nothing(shared.store.last_event(*key).await)?);
            }
            Ok(last)
        }
        read => read,
    }
}

/// A run of a child was deleted. Those that came after it may be there: the child may be
/// open. None if it is, or if what there is can't be read.
async fn find_latest<T>(
    shared: &Arc<Shared>,
    child: &Sought<T>,
) -> Result<Option<Found>, StoreError> {
    let found = shared.store.find_execution(&child.namespace, &child.workflow_id, None).await;
    let latest = match found {
        Err(error) if is_unreadable(&error) => return Ok(None),
        found => found?,
    };
    let Some(latest) = latest else { return Ok(Some(Found::Deleted)) };
    match is_child(&*shared.store, latest.key, child.first).await {
        Err(error) if is_unreadable(&error) => return Ok(None),
        Ok(false) => return Ok(Some(Found::Deleted)),
        is_same => is_same?,
    };
    if latest.status.is_open() {
        return Ok(None);
    }
    let last = or_nothing(shared.store.last_event(latest.key).await)?;
    Ok(last.map(|last| match end_of(&last.attributes) {
        // It went on as a run that was deleted as well.
        End::As(_) => Found::Deleted,
        end => Found::End(end),
    }))
}
