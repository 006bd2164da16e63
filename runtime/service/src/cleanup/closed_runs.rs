//! Deletes closed runs, a page at a time.

use std::collections::HashSet;
use std::sync::Arc;

use dacapo_model::ids::{NamespaceName, RunId, RunKey, WorkflowHash};
use dacapo_model::time::Timestamp;
use dacapo_store::deletion::ClosedRun;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::error::Result;
use crate::runtime::Shared;

/// Runs of a page.
const PAGE: u32 = 100;

/// Runs that are deleted at a time: few, since those who work have the same database.
const AT_ONCE: usize = 4;

/// Deletes the runs of one page that closed before `before`, but for children of open runs,
/// which may still ask for them. The last run of the page; none if there is no other page.
pub(super) async fn delete_page(
    shared: &Arc<Shared>,
    namespace: &NamespaceName,
    before: Timestamp,
    after: Option<ClosedRun>,
) -> Result<Option<ClosedRun>> {
    let page = shared.store.closed_runs(namespace, before, after, PAGE).await?;
    let keys: Vec<_> = page.iter().map(|run| run.key).collect();
    let needed = children_of_open(shared, namespace, &keys).await?;
    let unneeded = keys.into_iter().filter(|key| !needed.contains(&key.run_id));
    stream::iter(unneeded)
        .map(|key| async move {
            let deleted = shared.store.delete_run(&shared.hold.owned.current(), key).await;
            shared.hold.loss.judge(deleted).await
        })
        .buffer_unordered(AT_ONCE)
        .try_for_each(async |_| Ok(()))
        .await?;
    let is_full = page.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
    Ok(page.last().copied().filter(|_| is_full))
}

async fn children_of_open(
    shared: &Shared,
    namespace: &NamespaceName,
    keys: &[RunKey],
) -> Result<HashSet<RunId>> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let parents = shared.store.find_parents(keys).await?;
    let parent_keys: Vec<_> = parents
        .iter()
        .map(|(_, parent)| {
            let hash = WorkflowHash::of(namespace, &parent.workflow_id);
            RunKey { hash, run_id: parent.run_id }
        })
        .collect();
    if parent_keys.is_empty() {
        return Ok(HashSet::new());
    }
    let found = shared.store.find_runs(&parent_keys).await?;
    let open: HashSet<_> =
        found.iter().filter(|run| run.status.is_open()).map(|run| run.key.run_id).collect();
    let children = parents.into_iter().filter(|(_, parent)| open.contains(&parent.run_id));
    Ok(children.map(|(child, _)| child).collect())
}
